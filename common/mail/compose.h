#ifndef COMMON_MAIL_COMPOSE_H
#define COMMON_MAIL_COMPOSE_H

#include "common/base/buf.h"
#include "common/mail/address.h"
#include "common/mail/date.h"

/*
 * Writing messages: folded header fields, identifiers, text bodies, multiparts.
 *
 * Everything is appended to a buffer whose `overflow` the caller checks once at the end. Nothing is
 * read from the machine: time, randomness and host names are arguments. Lines end in CRLF.
 *
 *     compose_address_field(&out, "From", &from, false);
 *     compose_text_field(&out, "Subject", STR("Größe"), false);
 *     compose_date_field(&out, "Date", now);
 *     compose_text_part(&out, STR("plain"), text);
 *
 * `smtputf8` says that the message may have UTF-8 in its header (RFC 6532); without it, text
 * outside ASCII is written as encoded words and domains as A-labels.
 */

#define COMPOSE_COLUMN_MAX 76 /* fold before; RFC 5322 2.1.1 wants less than 78 */

/* Structured fields, word by word. */

struct compose_field {
    struct buf *out;
    size_t column;
    bool is_first; /* no word was written yet */
};

/* "Name:" */
struct compose_field compose_field_begin(struct buf *out, const char *name);
/* One space and `word`, or a fold (CRLF TAB) and `word` when the line would get too long. A word is
 * never broken; blanks inside it are kept, control characters become blanks: nothing that is
 * written here can begin another field. The first word stays on the line of the name. */
void compose_field_word(struct compose_field *f, struct str word);
/* At most 1023 bytes, the rest is cut. */
void compose_field_printf(struct compose_field *f, const char *format, ...) PRINTF_LIKE(2, 3);
/* `text` with no blank in front, on the same line: commas and the like. */
void compose_field_glue(struct compose_field *f, struct str text);
void compose_field_end(struct compose_field *f);

/* Whole fields. */

/* Unstructured text (Subject, comments) in UTF-8; only the words outside ASCII are encoded. */
void compose_text_field(struct buf *out, const char *name, struct str text, bool smtputf8);
/* A list of mailboxes and groups. */
void compose_address_field(struct buf *out, const char *name, const struct address_entry *first,
                           bool smtputf8);
void compose_date_field(struct buf *out, const char *name, struct date date);
/* Identifiers with their brackets, separated by blanks (Message-ID, References). */
void compose_ids_field(struct buf *out, const char *name, struct str ids);

/* A parameter as a word for a structured field: name=token, name="quoted", or name*=utf-8''...
 * (RFC 2231) outside ASCII. `last` leaves out the semicolon behind it. */
void compose_field_parameter(struct compose_field *f, const char *name, struct str value,
                             bool last);

/* Trace. */

/* RFC 5321 4.4. Empty strings leave their part out. */
struct received {
    struct str hello;        /* as said in EHLO; an address literal with brackets */
    struct str reverse_name; /* of the client's address; left out when equal to hello */
    struct str remote_ip;    /* "192.0.2.1" or "2001:db8::1" */
    struct str by_host;
    struct str local_ip;
    struct str protocol; /* compose_received_protocol */
    bool requiretls;
    struct str id;
    struct str tls;                  /* "TLS1.3 TLS_AES_128_GCM_SHA256" */
    const struct address *recipient; /* NULL: no `for` */
    struct date date;
    bool smtputf8;
};

/* The whole field, folded, always with ";" before the date. */
void compose_received(struct buf *out, const struct received *received);
/* RFC 3848, RFC 6531 4.3: "SMTP", "ESMTPSA", "UTF8SMTPS", ... */
struct str compose_received_protocol(bool extended, bool smtputf8, bool tls, bool authenticated);
/* "Return-Path: <...>"; the null path when `address` is NULL. */
void compose_return_path(struct buf *out, const struct address *address, bool smtputf8);

/* Identifiers, from 16 random bytes. */

/* "<22 characters@host>" */
void compose_message_id(struct buf *out, const unsigned char random[16], struct str host);
/* 24 characters, "=_" in front: cannot occur in quoted-printable or base64 text. */
void compose_boundary(struct buf *out, const unsigned char random[16]);

/* Bodies. */

/* Content-Type (charset us-ascii or utf-8), Content-Transfer-Encoding, the empty line, and the text
 * with CRLF line ends: quoted-printable when a line is longer than 76 bytes or holds a control
 * character, else 8bit or 7bit. `text` is UTF-8; its lines may end in LF or CRLF, and the last one
 * gets an end when it has none. */
void compose_text_part(struct buf *out, struct str subtype, struct str text);
/* Content-Transfer-Encoding: base64, the empty line, and the data in lines of 76. The caller wrote
 * Content-Type before. */
void compose_base64_part(struct buf *out, struct str data);

/* A multipart: begin (Content-Type with boundary, empty line), then before the header of each part
 * next, and end. `parameters` is appended to Content-Type, e.g. "; report-type=delivery-status";
 * may be empty. The line end at the end of a part belongs to the part. */
void compose_multipart_begin(struct buf *out, struct str subtype, struct str parameters,
                             struct str boundary);
void compose_multipart_next(struct buf *out, struct str boundary);
void compose_multipart_end(struct buf *out, struct str boundary);

#endif
