#ifndef COMMON_MAIL_HTML_TEXT_H
#define COMMON_MAIL_HTML_TEXT_H

#include "common/base/arena.h"

/*
 * The text of an HTML message, roughly as a reader would see it: for previews, not for display.
 *
 *     html_to_text(STR("<div>a</div><script>x</script><div>b</div>"), &arena)      // "a\nb\n"
 */

#define HTML_TEXT_MAX 4096 /* bytes of text; the rest is left out */

/* From valid UTF-8; in arena. What is no text (scripts, styles, the head ...) is left out, block
 * elements end lines, lines of quotes start with "> " for each level, character references are
 * resolved, runs of blanks are one. Tags that make no sense are skipped. Linear time. */
struct str html_to_text(struct str html, struct arena *arena);

#endif
