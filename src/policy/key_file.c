/* key_file.c - the stored keys of a folder: listed, made and taken back; each change writes the
 * whole file.
 *
 * It needs a store and nothing else, so that keys change beside a running server. A key is 256
 * random bits, so a plain SHA-256 is enough at rest: there is nothing to guess. */
#include "base/clock.h"
#include "catalog/sealed.h"
#include "os/process.h"
#include "policy/policy_private.h"

enum { NAME_BYTES_MAX = 64, FILE_BYTES_MAX = 4 * 1024 * 1024, NAMES_TOLD = 10 };

typedef struct stored_keys {
    uint32_t format_version;
    lh_list keys; /* lhi_stored_key */
} stored_keys;

static const lh_field key_fields[] = {
    LH_FIELD("name", STR, lhi_stored_key, name, .flags = LH_FIELD_REQUIRED, .max = NAME_BYTES_MAX,
             .doc = "Name of the principal."),
    LH_FIELD("role", STR, lhi_stored_key, role, .flags = LH_FIELD_REQUIRED, .max = NAME_BYTES_MAX,
             .doc = "What it may see and do."),
    LH_FIELD("sha256", STR, lhi_stored_key, sha256, .flags = LH_FIELD_REQUIRED,
             .min = LH_SHA256_HEX, .max = LH_SHA256_HEX, .doc = "SHA-256 of the key, hex."),
    LH_FIELD("created_at", TIME, lhi_stored_key, created_at, .doc = "When the key was made."),
    {0}};
static const lh_record key_record = {.name = "StoredKey",
                                     .size = sizeof(lhi_stored_key),
                                     .fields = key_fields,
                                     .doc = "A key, which only its holder knows.",
                                     .flags = LH_RECORD_OPEN};
static const lh_field keys_fields[] = {
    LH_FIELD("format_version", U32, stored_keys, format_version, .max = UINT32_MAX,
             .doc = "Version of this format."),
    LH_FIELD("keys", LIST, stored_keys, keys, .item = LH_F_OBJECT, .record = &key_record,
             .max = LHI_KEYS_MAX, .doc = "All keys."),
    {0}};
static const lh_record keys_record = {.name = "StoredKeys",
                                      .size = sizeof(stored_keys),
                                      .fields = keys_fields,
                                      .doc = "The keys that open this server.",
                                      .flags = LH_RECORD_OPEN};

/* ---------------------------------------------------------------- file */

static lh_rc corrupt(lh_ctx *cx)
{
    char why[sizeof(cx->err.message)];
    memcpy(why, cx->err.message, sizeof(why));
    return lh_fail(cx, LH_E_CORRUPT, "_access/keys.json: %s", why);
}

/* A damaged file is an error: without it nobody could tell which keys are good. */
lh_rc lhi_key_file_read(lh_ctx *cx, lh_store *store, lhi_stored_key **ret_keys, size_t *ret_count)
{
    lh_str json;
    lh_seal seal;
    stored_keys file;
    uint8_t sum[LH_SHA256_BYTES];
    lh_rc rc = lh_store_get(cx, store, LHI_KEYS_OBJECT, FILE_BYTES_MAX, &json);
    if (rc == LH_E_NOT_FOUND) {
        lh_err_clear(cx);
        *ret_keys = NULL;
        *ret_count = 0;
        return LH_OK;
    }
    LH_TRY(rc);
    if (lh_seal_check(cx, json, &seal) != LH_OK)
        return corrupt(cx);
    if (seal != LH_SEAL_OK)
        return lh_fail(cx, LH_E_CORRUPT, "_access/keys.json: the checksum is absent");
    rc = lh_record_parse(cx, &keys_record, json, &file);
    if (rc != LH_OK)
        return rc == LH_E_NO_MEMORY ? rc : corrupt(cx);
    lhi_stored_key *items = file.keys.items;
    for (size_t i = 0; i < file.keys.count; i++)
        if (!lh_hex_parse(items[i].sha256, sum, sizeof(sum)))
            return lh_fail(cx, LH_E_CORRUPT, "_access/keys.json: key %zu has no hash", i + 1);
    *ret_keys = items;
    *ret_count = file.keys.count;
    return LH_OK;
}

static lh_rc write_file(lh_ctx *cx, lh_store *store, lhi_stored_key *keys, size_t count)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    stored_keys file = {.format_version = 1, .keys = {keys, count}};
    lh_buf_init(&out, FILE_BYTES_MAX);
    LH_TRY(lh_record_append(cx, &keys_record, &file, &out));
    LH_TRY(lh_seal_json(cx, &out));
    return lh_store_put(cx, store, LHI_KEYS_OBJECT, lh_buf_str(&out));
}

/* ---------------------------------------------------------------- one key */

lh_rc lhi_key_hash(lh_ctx *cx, lh_str key, char out[LH_SHA256_HEX])
{
    uint8_t sum[LH_SHA256_BYTES];
    LH_TRY(lh_sha256_of(cx, key, sum));
    lh_hex_text(sum, sizeof(sum), out);
    return LH_OK;
}

static lh_rc check_name(lh_ctx *cx, lh_str name)
{
    if (name.len == 0 || name.len > NAME_BYTES_MAX || !lh_utf8_valid(name)) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_NAME, "a key's name has 1 to %d bytes of UTF-8",
                          (int)NAME_BYTES_MAX));
        return lh_err_field(cx, "name");
    }
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f) {
            LH_IGNORE(lh_fail(cx, LH_E_BAD_NAME, "a key's name holds no control characters"));
            return lh_err_field(cx, "name");
        }
    return LH_OK;
}

static lh_rc check_role(lh_ctx *cx, lh_str role)
{
    if (lh_str_eq(role, LH_S("owner")))
        return LH_OK;
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "there is no role '%.*s'",
                      (int)LH_MIN(role.len, (size_t)NAME_BYTES_MAX),
                      role.ptr != NULL ? role.ptr : ""));
    LH_IGNORE(lh_err_field(cx, "role"));
    return lh_err_hint(cx, "roles: owner");
}

/* "lhk_" and 43 characters: base64url of 32 random bytes, no padding. */
static lh_rc make_key(lh_ctx *cx, lh_str *ret_key)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    enum { CHARS = (LHI_KEY_RANDOM_BYTES * 8 + 5) / 6 };
    uint8_t random[LHI_KEY_RANDOM_BYTES];
    char text[CHARS];
    LH_TRY(lh_random_bytes(cx, random, sizeof(random)));
    uint32_t bits = 0;
    unsigned have = 0;
    size_t next = 0;
    for (size_t i = 0; i < CHARS; i++) {
        if (have < 6) {
            bits = (bits & 0x3f) << 8 | (next < sizeof(random) ? random[next++] : 0);
            have += 8;
        }
        have -= 6;
        text[i] = letters[(bits >> have) & 0x3f];
    }
    lh_str key = lh_ctx_fmt(cx, "lhk_%.*s", (int)CHARS, text);
    if (key.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_key = key;
    return LH_OK;
}

/* ---------------------------------------------------------------- verbs */

static size_t find_name(const lhi_stored_key *keys, size_t count, lh_str name)
{
    size_t at = 0;
    while (at < count && !lh_str_eq(keys[at].name, name))
        at++;
    return at;
}

lh_rc lh_keys_list(lh_ctx *cx, lh_store *store, lh_key_info **ret_items, size_t *ret_count)
{
    lhi_stored_key *keys;
    size_t count;
    LH_TRY(lhi_key_file_read(cx, store, &keys, &count));
    lh_key_info *items = LH_NEW_ARRAY(cx, lh_key_info, count + 1);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        items[i] = (lh_key_info){keys[i].name, keys[i].role, keys[i].created_at};
    *ret_items = items;
    *ret_count = count;
    return LH_OK;
}

lh_rc lh_keys_create(lh_ctx *cx, lh_store *store, lh_str name, lh_str role, lh_str *ret_key)
{
    char hash[LH_SHA256_HEX];
    lhi_stored_key *keys;
    size_t count;
    lh_str key;
    LH_TRY(check_name(cx, name));
    LH_TRY(check_role(cx, role));
    LH_TRY(lhi_key_file_read(cx, store, &keys, &count));
    if (find_name(keys, count, name) < count)
        return lh_fail(cx, LH_E_ALREADY_EXISTS, "there is a key named '%.*s'", LH_STR_ARG(name));
    if (count >= LHI_KEYS_MAX)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "there are %d keys, which is the limit",
                       (int)LHI_KEYS_MAX);
    LH_TRY(make_key(cx, &key));
    LH_TRY(lhi_key_hash(cx, key, hash));
    lhi_stored_key *more = LH_NEW_ARRAY(cx, lhi_stored_key, count + 1);
    if (more == NULL)
        return LH_E_NO_MEMORY;
    if (count > 0)
        memcpy(more, keys, count * sizeof(*keys));
    more[count] = (lhi_stored_key){.name = name,
                                   .role = role,
                                   .sha256 = lh_str_n(hash, LH_SHA256_HEX),
                                   .created_at = lh_clock_real_us()};
    LH_TRY(write_file(cx, store, more, count + 1));
    *ret_key = key;
    return LH_OK;
}

static lh_rc no_such_key(lh_ctx *cx, const lhi_stored_key *keys, size_t count, lh_str name)
{
    lh_str names = LH_STR_NONE;
    for (size_t i = 0; i < LH_MIN(count, (size_t)NAMES_TOLD); i++)
        names = lh_ctx_fmt(cx, "%.*s%s%.*s", LH_STR_ARG(names), i > 0 ? ", " : "",
                           LH_STR_ARG(keys[i].name));
    LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "there is no key named '%.*s'",
                      (int)LH_MIN(name.len, (size_t)NAME_BYTES_MAX), name.ptr));
    return lh_err_hint(cx, "keys: %.*s", LH_STR_ARG(names));
}

lh_rc lh_keys_revoke(lh_ctx *cx, lh_store *store, lh_str name)
{
    lhi_stored_key *keys;
    size_t count;
    LH_TRY(lhi_key_file_read(cx, store, &keys, &count));
    size_t at = find_name(keys, count, name);
    if (at == count)
        return no_such_key(cx, keys, count, name);
    memmove(keys + at, keys + at + 1, (count - at - 1) * sizeof(*keys));
    return write_file(cx, store, keys, count - 1);
}
