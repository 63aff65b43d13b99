/* policy_keys.c - keys: made, stored as hashes, checked in a time that tells nothing.
 *
 * A key is 256 random bits, so a plain SHA-256 is enough at rest: there is nothing to guess. All
 * hashes are compared, each in constant time, also after a hit. */
#include "base/clock.h"
#include "base/log.h"
#include "catalog/sealed.h"
#include "os/process.h"
#include "policy/policy_private.h"

enum { NAME_BYTES_MAX = 64, KEY_BYTES_MAX = 256, FILE_BYTES_MAX = 4 * 1024 * 1024 };

typedef struct stored_key {
    lh_str name;
    lh_str role;
    lh_str sha256;
    int64_t created_at;
} stored_key;

typedef struct stored_keys {
    uint32_t format_version;
    lh_list keys; /* stored_key */
} stored_keys;

static const lh_field key_fields[] = {
    LH_FIELD("name", STR, stored_key, name, .flags = LH_FIELD_REQUIRED, .max = NAME_BYTES_MAX,
             .doc = "Name of the principal."),
    LH_FIELD("role", STR, stored_key, role, .flags = LH_FIELD_REQUIRED, .max = NAME_BYTES_MAX,
             .doc = "What it may see and do."),
    LH_FIELD("sha256", STR, stored_key, sha256, .flags = LH_FIELD_REQUIRED, .min = LH_SHA256_HEX,
             .max = LH_SHA256_HEX, .doc = "SHA-256 of the key, hex."),
    LH_FIELD("created_at", TIME, stored_key, created_at, .doc = "When the key was made."),
    {0}};
static const lh_record key_record = {.name = "StoredKey",
                                     .size = sizeof(stored_key),
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

/* Small letters only, so that a stored one compares equal byte by byte. */
static lh_rc hash_key(lh_ctx *cx, lh_str key, char out[LH_SHA256_HEX])
{
    uint8_t sum[LH_SHA256_BYTES];
    LH_TRY(lh_sha256_of(cx, key, sum));
    lh_hex_text(sum, sizeof(sum), out);
    return LH_OK;
}

/* Under the lock. The slot is complete before readers can see it. */
static lh_rc add_slot(lh_ctx *cx, lh_policy *policy, const stored_key *from, int is_stored)
{
    size_t count = atomic_load_explicit(&policy->keys_count, memory_order_relaxed);
    if (count == LHI_KEYS_MAX)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "there are %d keys, which is the limit",
                       (int)LHI_KEYS_MAX);
    lh_ctx own;
    lh_ctx_init_child(&own, policy->arena, cx);
    lhi_key *slot = &policy->keys[count];
    slot->principal = (lh_principal){.name = lh_ctx_dup(&own, from->name),
                                     .role = lh_ctx_dup(&own, from->role),
                                     .domain = lhi_policy_domain(&own, from->role)};
    if (slot->principal.name.ptr == NULL || slot->principal.role.ptr == NULL ||
        slot->principal.domain.ptr == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a key");
    lh_assert(from->sha256.len == LH_SHA256_HEX);
    memcpy(slot->hash, from->sha256.ptr, LH_SHA256_HEX);
    slot->created_at = from->created_at;
    slot->is_stored = is_stored;
    atomic_store_explicit(&policy->keys_count, count + 1, memory_order_release);
    return LH_OK;
}

static lh_rc corrupt(lh_ctx *cx)
{
    char why[sizeof(cx->err.message)];
    memcpy(why, cx->err.message, sizeof(why));
    return lh_fail(cx, LH_E_CORRUPT, "_access/keys.json: %s", why);
}

static lh_rc use_keys(lh_ctx *cx, lh_policy *policy, const stored_keys *keys)
{
    const stored_key *items = keys->keys.items;
    uint8_t sum[LH_SHA256_BYTES];
    for (size_t i = 0; i < keys->keys.count; i++) {
        if (!lh_hex_parse(items[i].sha256, sum, sizeof(sum)))
            return lh_fail(cx, LH_E_CORRUPT, "_access/keys.json: key %zu has no hash", i + 1);
        LH_TRY(add_slot(cx, policy, &items[i], 1));
    }
    return LH_OK;
}

/* A damaged file is an error: without it nobody could tell which keys are good. */
lh_rc lhi_keys_load(lh_ctx *cx, lh_policy *policy)
{
    lh_str json;
    lh_seal seal;
    stored_keys keys;
    lh_rc rc =
        lh_store_get(cx, lh_catalog_store(policy->catalog), LHI_KEYS_OBJECT, FILE_BYTES_MAX, &json);
    if (rc == LH_E_NOT_FOUND) {
        lh_err_clear(cx);
        return LH_OK;
    }
    LH_TRY(rc);
    if (lh_seal_check(cx, json, &seal) != LH_OK)
        return corrupt(cx);
    if (seal != LH_SEAL_OK)
        return lh_fail(cx, LH_E_CORRUPT, "_access/keys.json: the checksum is absent");
    rc = lh_record_parse(cx, &keys_record, json, &keys);
    if (rc != LH_OK)
        return rc == LH_E_NO_MEMORY ? rc : corrupt(cx);
    LH_WITH_LOCK(&policy->lock);
    return use_keys(cx, policy, &keys);
}

size_t lh_policy_keys_count(const lh_policy *policy)
{
    return atomic_load_explicit(&policy->keys_count, memory_order_acquire);
}

lh_rc lh_policy_authenticate(lh_ctx *cx, lh_policy *policy, lh_str key,
                             const lh_principal **ret_principal)
{
    char hash[LH_SHA256_HEX];
    const lh_principal *found = NULL;
    if (key.len == 0)
        return lh_fail(cx, LH_E_UNAUTHORIZED, "a key is needed");
    if (key.len > KEY_BYTES_MAX)
        return lh_fail(cx, LH_E_UNAUTHORIZED, "the key is not known");
    LH_TRY(hash_key(cx, key, hash));
    size_t count = lh_policy_keys_count(policy);
    for (size_t i = 0; i < count; i++) {
        const lhi_key *slot = &policy->keys[i];
        if (lh_str_eq_secret(lh_str_n(slot->hash, LH_SHA256_HEX), lh_str_n(hash, LH_SHA256_HEX)))
            found = &slot->principal;
    }
    if (found == NULL)
        return lh_fail(cx, LH_E_UNAUTHORIZED, "the key is not known");
    *ret_principal = found;
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

/* Under the lock: the stored keys and one more, as the file will be. */
static lh_rc write_file(lh_ctx *cx, lh_policy *policy, const stored_key *more)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_json_writer writer;
    size_t count = lh_policy_keys_count(policy), stored = 0;
    stored_key *items = LH_NEW_ARRAY(cx, stored_key, count + 1);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const lhi_key *slot = &policy->keys[i];
        if (slot->is_stored)
            items[stored++] = (stored_key){.name = slot->principal.name,
                                           .role = slot->principal.role,
                                           .sha256 = lh_str_n(slot->hash, LH_SHA256_HEX),
                                           .created_at = slot->created_at};
    }
    items[stored++] = *more;
    stored_keys file = {.format_version = 1, .keys = {items, stored}};
    lh_buf_init(&out, FILE_BYTES_MAX);
    lh_jw_init(&writer, cx, &out);
    lh_record_write(&writer, &keys_record, &file);
    LH_TRY(lh_jw_end(&writer));
    LH_TRY(lh_seal_json(cx, &out));
    return lh_store_put(cx, lh_catalog_store(policy->catalog), LHI_KEYS_OBJECT, lh_buf_str(&out));
}

static int name_is_taken(const lh_policy *policy, lh_str name)
{
    size_t count = lh_policy_keys_count(policy);
    for (size_t i = 0; i < count; i++)
        if (policy->keys[i].is_stored && lh_str_eq(policy->keys[i].principal.name, name))
            return 1;
    return 0;
}

lh_rc lh_policy_create_key(lh_ctx *cx, lh_policy *policy, lh_str name, lh_str role, lh_str *ret_key)
{
    char hash[LH_SHA256_HEX];
    lh_str key;
    LH_TRY(check_name(cx, name));
    LH_TRY(check_role(cx, role));
    LH_TRY(make_key(cx, &key));
    LH_TRY(hash_key(cx, key, hash));
    stored_key made = {.name = name,
                       .role = role,
                       .sha256 = lh_str_n(hash, LH_SHA256_HEX),
                       .created_at = lh_clock_real_us()};
    LH_WITH_LOCK(&policy->lock); /* held over the put: the file is always all of the table */
    if (name_is_taken(policy, name))
        return lh_fail(cx, LH_E_ALREADY_EXISTS, "there is a key named '%.*s'", LH_STR_ARG(name));
    if (lh_policy_keys_count(policy) == LHI_KEYS_MAX)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "there are %d keys, which is the limit",
                       (int)LHI_KEYS_MAX);
    LH_TRY(write_file(cx, policy, &made));
    LH_TRY(add_slot(cx, policy, &made, 1));
    *ret_key = key;
    return LH_OK;
}

lh_rc lh_policy_accept_key(lh_ctx *cx, lh_policy *policy, lh_str key)
{
    char hash[LH_SHA256_HEX];
    if (key.len == 0 || key.len > KEY_BYTES_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "a key has 1 to %d bytes", (int)KEY_BYTES_MAX);
    LH_TRY(hash_key(cx, key, hash));
    stored_key made = {
        .name = LH_S("configured"), .role = LH_S("owner"), .sha256 = lh_str_n(hash, LH_SHA256_HEX)};
    LH_WITH_LOCK(&policy->lock);
    size_t count = lh_policy_keys_count(policy);
    for (size_t i = 0; i < count; i++) /* configuration is read again on reload */
        if (!policy->keys[i].is_stored && memcmp(policy->keys[i].hash, hash, sizeof(hash)) == 0)
            return LH_OK;
    return add_slot(cx, policy, &made, 0);
}
