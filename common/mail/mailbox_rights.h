#ifndef COMMON_MAIL_MAILBOX_RIGHTS_H
#define COMMON_MAIL_MAILBOX_RIGHTS_H

/*
 * Rights on mailboxes (RFC 4314 2.1), as they are stored and in calls: bits of MailboxRight in
 * proto/mailboxes.proto.
 */
enum right {
    RIGHT_LOOKUP = 1,
    RIGHT_READ = 2,
    RIGHT_SEEN = 4,
    RIGHT_WRITE = 8,
    RIGHT_INSERT = 16,
    RIGHT_POST = 32,
    RIGHT_CREATE = 64,
    RIGHT_DELETE = 128,
    RIGHT_DELETE_MESSAGES = 256,
    RIGHT_EXPUNGE = 512,
    RIGHT_ADMINISTER = 1024,
    RIGHTS_ALL = 2047,
};

#endif
