#ifndef COMMON_TEXT_CHARCLASS_H
#define COMMON_TEXT_CHARCLASS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Character classes as predicates with one signature, so that a cursor can take a run of any of
 * them. Each is a bit in one 256-entry table (charclass.c). Bytes from 0x80 belong only to the
 * classes that say so.
 */

typedef bool charclass(unsigned char c);

bool is_digit(unsigned char c);
bool is_alpha(unsigned char c);
bool is_alnum(unsigned char c);
bool is_hex_digit(unsigned char c);
bool is_space_or_tab(unsigned char c);
/* 0x21 to 0x7e. */
bool is_visible(unsigned char c);
/* 0x20 to 0x7e. */
bool is_printable(unsigned char c);
/* RFC 5322 3.2.3 atext; `_utf8` adds 0x80 to 0xff (RFC 6532 3.2). */
bool is_atext(unsigned char c);
bool is_atext_utf8(unsigned char c);
/* RFC 5322 3.2.4 qtext without backslash and quote; `_utf8` adds 0x80 to 0xff. */
bool is_qtext(unsigned char c);
bool is_qtext_utf8(unsigned char c);
/* RFC 5322 3.6.8 ftext: a header field name. */
bool is_ftext(unsigned char c);
/* RFC 2045 5.1 token. */
bool is_mime_token(unsigned char c);
/* Letters, digits, hyphen, dot, and 0x80 to 0xff: what a domain name may look like before it is
 * checked. */
bool is_domain_text(unsigned char c);
/* RFC 9051 9: ATOM-CHAR, ASTRING-CHAR (adds "]"), list-char (adds "%" "*" and "]"), tag char. */
bool is_imap_atom(unsigned char c);
bool is_imap_astring(unsigned char c);
bool is_imap_list(unsigned char c);
bool is_imap_tag(unsigned char c);

#endif
