#ifndef COMMON_MAIL_PREVIEW_H
#define COMMON_MAIL_PREVIEW_H

#include "common/mail/structure.h"

/*
 * The first words of a message, for lists of messages (IMAP PREVIEW, RFC 8970): what its author
 * wrote, without quoted text, attributions and signature.
 */

/* From the first text part that is no attachment; nothing of multipart/encrypted, and only the
 * first part of multipart/signed. Lines end in LF; at most 256 characters. In arena; empty when
 * there is nothing to show. */
struct str preview_of(const struct part *root, struct str message, struct arena *arena);

/* From plain text: quoted lines become "[...]", a signature ends it. In arena. */
struct str preview_of_text(struct str text, struct arena *arena);

#endif
