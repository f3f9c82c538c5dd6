#include "common/service/option_file.h"

#include "common/base/bug.h"
#include "common/base/buf.h"
#include "common/text/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX (1 << 20)
#define LIST_LEN_MAX 1000

struct option_file {
    config_t config;
    const char *text; /* in arena */
    struct arena *arena;
};

/* ---- Reading */

static bool read_all(int fd, const char *path, struct arena *arena, struct str *ret,
                     struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        return err_set(err, ERR_SYNTAX, "%s: is a directory", path);
    struct buf text;
    buf_init(&text, FILE_SIZE_MAX);
    ssize_t n = 0;
    for (char *at; (at = buf_reserve(&text, 4096)) && (n = read(fd, at, 4096)) > 0;)
        buf_commit(&text, (size_t)n);
    bool ok = true;
    if (n < 0)
        ok = err_set_errno(err, errno, "%s", path);
    else if (text.overflow)
        ok = err_set(err, ERR_LIMIT, "%s: longer than %d bytes", path, FILE_SIZE_MAX);
    else
        *ret = arena_copy(arena, buf_str(&text));
    buf_release(&text);
    return ok;
}

struct option_file *option_file_read(const char *path, struct arena *arena, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_set_errno(err, errno, "%s", path);
        return NULL;
    }
    struct str text = STR_NULL;
    bool ok = read_all(fd, path, arena, &text, err);
    close(fd);
    return ok ? option_file_parse(path, text, arena, err) : NULL;
}

struct option_file *option_file_parse(const char *path, struct str text, struct arena *arena,
                                      struct err *err)
{
    char *cstr = arena_cstr(arena, text);
    if (!cstr) {
        err_set(err, ERR_SYNTAX, "%s: holds a NUL byte, or is too long", path);
        return NULL;
    }
    struct option_file *file = xcalloc(1, sizeof(*file));
    file->text = cstr;
    file->arena = arena;
    config_init(&file->config);
    if (config_read_string(&file->config, cstr))
        return file;
    const char *included = config_error_file(&file->config);
    err_set(err, ERR_SYNTAX, "%s:%d: %s", included ? included : path,
            config_error_line(&file->config), config_error_text(&file->config));
    option_file_free(file);
    return NULL;
}

void option_file_free(struct option_file *file)
{
    if (!file)
        return;
    config_destroy(&file->config);
    free(file);
}

/* ---- Values */

static struct str nth_line(const char *text, unsigned number)
{
    struct str line = STR_NULL, rest = str_from_cstr(text);
    for (unsigned i = 0; i < number; i++)
        str_cut(rest, '\n', &line, &rest);
    return line;
}

/* libconfig 1.5 cuts a number to 32 bits without a word, unless it ends with "L". */
static bool line_holds_wide_number(struct str line)
{
    struct cursor c = cursor_init(line);
    while (!cursor_at_end(&c)) {
        struct str digits = cursor_take_while0(&c, is_digit, 1000, "digits");
        uint64_t value;
        bool is_wide = digits.len > 0 && !str_to_u64(digits, INT32_MAX, &value);
        if (is_wide && !cursor_next_is(&c, 'L') && !cursor_next_is(&c, 'l'))
            return true;
        if (digits.len == 0)
            cursor_take(&c, 1, "byte");
    }
    return false;
}

static enum option_value_type number_type(const struct option_file *file,
                                          const config_setting_t *setting)
{
    bool is_included = config_setting_source_file(setting) != NULL;
    if (is_included || config_setting_type(setting) == CONFIG_TYPE_INT64)
        return OPTION_VALUE_NUMBER;
    struct str line = nth_line(file->text, config_setting_source_line(setting));
    return line_holds_wide_number(line) ? OPTION_VALUE_WRAPPED : OPTION_VALUE_NUMBER;
}

static bool read_list(const struct option_file *file, const config_setting_t *setting,
                      struct str_list *ret)
{
    size_t len = (size_t)config_setting_length(setting);
    if (len > LIST_LEN_MAX)
        return false;
    struct str *items = arena_new_array(file->arena, len > 0 ? len : 1, struct str);
    for (size_t i = 0; items && i < len; i++) {
        const char *item = config_setting_get_string_elem(setting, (int)i);
        if (!item)
            return false;
        items[i] = arena_copy(file->arena, str_from_cstr(item));
    }
    *ret = (struct str_list){items, items ? len : 0};
    return items != NULL;
}

static struct option_value value_of(const struct option_file *file, const config_setting_t *setting)
{
    struct option_value value = {.type = OPTION_VALUE_OTHER,
                                 .line = config_setting_source_line(setting)};
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        value.type = OPTION_VALUE_TEXT;
        value.text = arena_copy(file->arena, str_from_cstr(config_setting_get_string(setting)));
        break;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        value.type = number_type(file, setting);
        value.number = config_setting_get_int64(setting);
        break;
    case CONFIG_TYPE_BOOL:
        value.type = OPTION_VALUE_BOOL;
        value.number = config_setting_get_bool(setting);
        break;
    case CONFIG_TYPE_GROUP:
        value.type = OPTION_VALUE_GROUP;
        break;
    case CONFIG_TYPE_ARRAY:
    case CONFIG_TYPE_LIST:
        if (read_list(file, setting, &value.list))
            value.type = OPTION_VALUE_LIST;
        break;
    default:
        break;
    }
    return value;
}

/* ---- Finding */

static config_setting_t *group_of(const struct option_file *file, const char *group)
{
    config_setting_t *root = config_root_setting(&file->config);
    return group ? config_setting_get_member(root, group) : root;
}

bool option_file_find(const struct option_file *file, const char *group, const char *name,
                      struct option_value *ret)
{
    config_setting_t *parent = group_of(file, group);
    if (!parent || !config_setting_is_group(parent))
        return false;
    config_setting_t *setting = config_setting_get_member(parent, name);
    if (setting)
        *ret = value_of(file, setting);
    return setting != NULL;
}

bool option_file_next(const struct option_file *file, const char *group, size_t *at,
                      struct str *ret_name, struct option_value *ret)
{
    config_setting_t *parent = group_of(file, group);
    if (!parent || !config_setting_is_group(parent))
        return false;
    config_setting_t *setting = config_setting_get_elem(parent, (unsigned)*at);
    if (!setting)
        return false;
    (*at)++;
    *ret_name = str_from_cstr(config_setting_name(setting));
    *ret = value_of(file, setting);
    return true;
}
