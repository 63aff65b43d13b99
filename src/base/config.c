/* config.c - rows + TOML + environment -> struct. Later sources win; each complains in its own
 * words: the file with line and column, the environment with the variable's name. */
#include "base/config.h"

#include "base/num.h"
#include "base/toml.h"

#include <stdio.h>
#include <stdlib.h>

extern char **environ;

#define ENV_PREFIX "LAKEHOUSE_"
enum { NAME_BYTES = 128 };

const char *lh_config_type_name(lh_config_type type)
{
    static const char *const names[] = {
        [LH_C_STR] = "text",    [LH_C_BOOL] = "boolean",
        [LH_C_I64] = "integer", [LH_C_F64] = "number",
        [LH_C_SIZE] = "size",   [LH_C_DURATION] = "duration",
        [LH_C_ENUM] = "name",   [LH_C_STR_LIST] = "list of texts",
    };
    lh_assert((unsigned)type < LH_ARRAY_LEN(names));
    return names[type];
}

void lh_config_env_name(const lh_config_key *key, char *out, size_t room)
{
    int len = snprintf(out, room, ENV_PREFIX "%s_%s", key->section, key->key);
    lh_assert(len > 0 && (size_t)len < room);
    for (char *p = out; *p != '\0'; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
        else if (*p == '.' || *p == '-')
            *p = '_';
    }
}

/* One value on its way into the struct. */
typedef struct setting {
    lh_ctx *cx;
    const lh_config_key *key;
    const char *name; /* "server.listen" or the variable: the error's field */
    void *to;
} setting;

LH_COLD static lh_rc bad_value(const setting *s, lh_str text, const char *wanted)
{
    if (s->key->flags & LH_CONFIG_SECRET)
        LH_IGNORE(lh_fail(s->cx, LH_E_BAD_CONFIG, "%s must be %s", s->name, wanted));
    else
        LH_IGNORE(lh_fail(s->cx, LH_E_BAD_CONFIG, "%s must be %s, not \"%.*s\"", s->name, wanted,
                          (int)LH_MIN(text.len, (size_t)80), text.len ? text.ptr : ""));
    return lh_err_field(s->cx, "%s", s->name);
}

LH_COLD static lh_rc out_of_limits(const setting *s, const char *unit)
{
    LH_IGNORE(lh_fail(s->cx, LH_E_BAD_CONFIG, "%s must be from %lld to %lld%s", s->name,
                      (long long)s->key->min, (long long)s->key->max, unit));
    return lh_err_field(s->cx, "%s", s->name);
}

static int has_limits(const lh_config_key *key)
{
    return key->min != 0 || key->max != 0;
}

static int is_inside(const lh_config_key *key, int64_t value)
{
    return !has_limits(key) || (value >= key->min && value <= key->max);
}

static lh_rc set_bool(const setting *s, lh_str text)
{
    int is_true = lh_str_eq(text, LH_S("true")) || lh_str_eq(text, LH_S("1"));
    if (!is_true && !lh_str_eq(text, LH_S("false")) && !lh_str_eq(text, LH_S("0")))
        return bad_value(s, text, "true or false");
    *(bool *)s->to = is_true;
    return LH_OK;
}

static lh_rc set_i64(const setting *s, lh_str text)
{
    int64_t value;
    if (!lh_parse_i64(text, &value))
        return bad_value(s, text, "an integer");
    if (!is_inside(s->key, value))
        return out_of_limits(s, "");
    *(int64_t *)s->to = value;
    return LH_OK;
}

static lh_rc set_f64(const setting *s, lh_str text)
{
    double value;
    if (!lh_parse_f64(text, &value))
        return bad_value(s, text, "a number");
    if (has_limits(s->key) && (value < (double)s->key->min || value > (double)s->key->max))
        return out_of_limits(s, "");
    *(double *)s->to = value;
    return LH_OK;
}

static lh_rc set_size(const setting *s, lh_str text)
{
    uint64_t bytes;
    if (!lh_parse_size(text, &bytes) || bytes > (uint64_t)INT64_MAX)
        return bad_value(s, text, "a size such as \"512MiB\"");
    if (!is_inside(s->key, (int64_t)bytes))
        return out_of_limits(s, " bytes");
    *(uint64_t *)s->to = bytes;
    return LH_OK;
}

static lh_rc set_duration(const setting *s, lh_str text)
{
    int64_t us;
    if (!lh_parse_duration_us(text, &us))
        return bad_value(s, text, "a time such as \"10s\"");
    if (!is_inside(s->key, us))
        return out_of_limits(s, " microseconds");
    *(int64_t *)s->to = us;
    return LH_OK;
}

static lh_rc set_enum(const setting *s, lh_str text)
{
    char allowed[200] = "one of";
    size_t at = strlen(allowed);
    for (int i = 0; s->key->names[i] != NULL; i++) {
        if (lh_str_eq(text, lh_str_from(s->key->names[i]))) {
            *(int *)s->to = i;
            return LH_OK;
        }
        if (at < sizeof(allowed)) {
            int len = snprintf(allowed + at, sizeof(allowed) - at, "%s %s", i > 0 ? "," : "",
                               s->key->names[i]);
            at += len > 0 ? (size_t)len : 0;
        }
    }
    return bad_value(s, text, allowed);
}

static lh_rc set_list(const setting *s, lh_str text)
{
    void *items = NULL;
    size_t count = 0;
    size_t capacity = 0;
    lh_str rest = text.len > 0 ? text : LH_STR_NONE;
    lh_str part;
    while (lh_str_split_next(&rest, ',', &part)) {
        LH_TRY(lh_ctx_grow(s->cx, &items, count, &capacity, sizeof(lh_str)));
        lh_str copy = lh_ctx_dup(s->cx, lh_str_trim(part));
        if (copy.ptr == NULL)
            return LH_E_NO_MEMORY;
        ((lh_str *)items)[count++] = copy;
    }
    *(lh_str_list *)s->to = (lh_str_list){items, count};
    return LH_OK;
}

static lh_rc set_str(const setting *s, lh_str text)
{
    lh_str copy = lh_ctx_dup(s->cx, text);
    if (copy.ptr == NULL)
        return LH_E_NO_MEMORY;
    *(lh_str *)s->to = copy;
    return LH_OK;
}

static lh_rc set_text(const setting *s, lh_str text)
{
    switch (s->key->type) {
    case LH_C_STR: return set_str(s, text);
    case LH_C_BOOL: return set_bool(s, text);
    case LH_C_I64: return set_i64(s, text);
    case LH_C_F64: return set_f64(s, text);
    case LH_C_SIZE: return set_size(s, text);
    case LH_C_DURATION: return set_duration(s, text);
    case LH_C_ENUM: return set_enum(s, text);
    case LH_C_STR_LIST: return set_list(s, text);
    }
    return LH_E_INTERNAL;
}

static size_t size_of(lh_config_type type)
{
    switch (type) {
    case LH_C_STR: return sizeof(lh_str);
    case LH_C_BOOL: return sizeof(bool);
    case LH_C_ENUM: return sizeof(int);
    case LH_C_STR_LIST: return sizeof(lh_str_list);
    default: return 8;
    }
}

static lh_rc set_defaults(lh_ctx *cx, const lh_config_key *keys, void *out)
{
    for (const lh_config_key *key = keys; key->section != NULL; key++) {
        char name[NAME_BYTES];
        (void)snprintf(name, sizeof(name), "%s.%s", key->section, key->key);
        setting s = {cx, key, name, (char *)out + key->offset};
        memset(s.to, 0, size_of(key->type));
        if (key->def == NULL || key->def[0] == '\0')
            continue; /* zero means: derived at start */
        lh_rc rc = set_text(&s, lh_str_from(key->def));
        lh_assert(rc == LH_OK ||
                  rc == LH_E_NO_MEMORY); /* anything else: the row's default breaks the row */
        LH_TRY(rc);
    }
    return LH_OK;
}

/* The part of "storage.paths[3]" before the bracket. */
static lh_str path_base(lh_str path)
{
    size_t bracket = lh_str_find_char(path, '[');
    return bracket == LH_STR_NPOS ? path : lh_str_sub(path, 0, bracket);
}

static const lh_config_key *find_key(const lh_config_key *keys, lh_str path)
{
    for (const lh_config_key *key = keys; key->section != NULL; key++) {
        lh_str section = lh_str_from(key->section);
        if (path.len > section.len && lh_str_starts(path, section) &&
            path.ptr[section.len] == '.' &&
            lh_str_eq(lh_str_from_offset(path, section.len + 1), lh_str_from(key->key)))
            return key;
    }
    return NULL;
}

LH_COLD static lh_rc unknown_key(lh_ctx *cx, const lh_config_key *keys, lh_str path)
{
    LH_IGNORE(lh_fail(cx, LH_E_BAD_CONFIG, "unknown key \"%.*s\"",
                      (int)LH_MIN(path.len, (size_t)100), path.ptr));
    LH_IGNORE(lh_err_field(cx, "%.*s", (int)LH_MIN(path.len, (size_t)100), path.ptr));
    uint32_t best = 4;
    char near[NAME_BYTES] = "";
    for (const lh_config_key *key = keys; key->section != NULL; key++) {
        char name[NAME_BYTES];
        (void)snprintf(name, sizeof(name), "%s.%s", key->section, key->key);
        uint32_t distance = lh_str_distance(lh_str_from(name), path, best);
        if (distance < best) {
            best = distance;
            memcpy(near, name, sizeof(near));
        }
    }
    if (near[0] != '\0')
        return lh_err_hint(cx, "Did you mean \"%s\"?", near);
    return lh_err_hint(cx, "`lakehouse tables config` lists all keys");
}

static int kind_fits(lh_config_type type, lh_toml_kind kind)
{
    switch (type) {
    case LH_C_STR:
    case LH_C_ENUM: return kind == LH_TOML_STR;
    case LH_C_BOOL: return kind == LH_TOML_BOOL;
    case LH_C_I64: return kind == LH_TOML_INT;
    case LH_C_F64: return kind == LH_TOML_INT || kind == LH_TOML_FLOAT;
    case LH_C_SIZE:
    case LH_C_DURATION: return kind == LH_TOML_STR || kind == LH_TOML_INT;
    case LH_C_STR_LIST: return 0;
    }
    return 0;
}

/* Items come one by one, in order; [0] starts the list anew, over the default. */
static lh_rc set_list_entry(const setting *s, const lh_toml_entry *entry)
{
    lh_str_list *list = s->to;
    if (entry->kind == LH_TOML_EMPTY_ARRAY && lh_str_find_char(entry->path, '[') == LH_STR_NPOS) {
        *list = (lh_str_list){NULL, 0};
        return LH_OK;
    }
    if (entry->kind != LH_TOML_STR || lh_str_find_char(entry->path, '[') == LH_STR_NPOS)
        return bad_value(s, entry->text, "a list of texts");
    int is_first = lh_str_ends(entry->path, LH_S("[0]"));
    size_t count = is_first ? 0 : list->count;
    lh_str *items = LH_NEW_ARRAY(s->cx, lh_str, count + 1);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    if (count > 0)
        memcpy(items, list->items, count * sizeof(*items));
    items[count] = entry->text;
    *list = (lh_str_list){items, count + 1};
    return LH_OK;
}

static lh_rc set_entry(lh_ctx *cx, const lh_config_key *keys, const lh_toml_entry *entry, void *out)
{
    lh_str base = path_base(entry->path);
    const lh_config_key *key = find_key(keys, base);
    if (key == NULL)
        return unknown_key(cx, keys, base);
    char name[NAME_BYTES];
    (void)snprintf(name, sizeof(name), "%s.%s", key->section, key->key);
    setting s = {cx, key, name, (char *)out + key->offset};
    if (key->type == LH_C_STR_LIST)
        return set_list_entry(&s, entry);
    char wanted[64];
    (void)snprintf(wanted, sizeof(wanted), "a %s", lh_config_type_name(key->type));
    if (!kind_fits(key->type, entry->kind) || base.len != entry->path.len)
        return bad_value(&s, entry->text, wanted);
    return set_text(&s, entry->text);
}

static lh_rc set_from_file(lh_ctx *cx, const lh_config_key *keys, lh_str toml_text, void *out)
{
    lh_toml_entry *entries;
    size_t count;
    LH_TRY(lh_toml_parse(cx, toml_text, &entries, &count));
    for (size_t i = 0; i < count; i++) {
        lh_rc rc = set_entry(cx, keys, &entries[i], out);
        if (rc == LH_E_BAD_CONFIG)
            return lh_err_place(cx, entries[i].line, entries[i].column);
        LH_TRY(rc);
    }
    return LH_OK;
}

static lh_rc set_from_env(lh_ctx *cx, const lh_config_key *keys, void *out)
{
    for (const lh_config_key *key = keys; key->section != NULL; key++) {
        char name[NAME_BYTES];
        lh_config_env_name(key, name, sizeof(name));
        const char *value = getenv(name);
        setting s = {cx, key, name, (char *)out + key->offset};
        if (value != NULL)
            LH_TRY(set_text(&s, lh_str_from(value)));
    }
    return LH_OK;
}

/* A variable of one of our sections that is no key is a typo; others (LAKEHOUSE_KEY ...) have their
 * own readers. */
static lh_rc check_env_names(lh_ctx *cx, const lh_config_key *keys)
{
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
        lh_str name = lh_str_from(*variable);
        name.len = LH_MIN(name.len, lh_str_find_char(name, '='));
        if (!lh_str_starts(name, LH_S(ENV_PREFIX)))
            continue;
        int in_section = 0;
        int is_key = 0;
        for (const lh_config_key *key = keys; key->section != NULL && !is_key; key++) {
            char known[NAME_BYTES];
            lh_config_env_name(key, known, sizeof(known));
            is_key = lh_str_eq(name, lh_str_from(known));
            size_t section_len = sizeof(ENV_PREFIX) - 1 + strlen(key->section) + 1;
            in_section |= lh_str_starts(name, (lh_str){known, section_len});
        }
        if (in_section && !is_key) {
            LH_IGNORE(lh_fail(cx, LH_E_BAD_CONFIG, "unknown variable %.*s", LH_STR_ARG(name)));
            return lh_err_field(cx, "%.*s", LH_STR_ARG(name));
        }
    }
    return LH_OK;
}

lh_rc lh_config_load(lh_ctx *cx, const lh_config_key *keys, lh_str toml_text, const char *file_name,
                     void *out)
{
    LH_TRY(set_defaults(cx, keys, out));
    lh_rc rc = set_from_file(cx, keys, toml_text, out);
    if (rc == LH_E_BAD_CONFIG)
        return lh_err_prefix(cx, "%s:%d:%d", file_name, cx->err.line, cx->err.column);
    LH_TRY(rc);
    LH_TRY(check_env_names(cx, keys));
    return set_from_env(cx, keys, out);
}
