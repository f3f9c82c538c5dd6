#ifndef COMMON_BASE_ATTR_H
#define COMMON_BASE_ATTR_H

/*
 * Compiler attributes under readable names.
 *
 * CLEANUP(fn) runs fn(&variable) when the variable goes out of scope; use it for descriptors,
 * files, locks and large heap blocks, so that every early return is correct:
 *
 *     CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
 */

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define CLEANUP(function) __attribute__((cleanup(function)))

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
