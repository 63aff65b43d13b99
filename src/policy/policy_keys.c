/* policy_keys.c - keys as a running server holds them: checked in a time that tells nothing, and
 * followed when the key file changes.
 *
 * The file is the truth; a slot of the table is filled once, so that checking takes no lock and a
 * principal lives as long as the policy. A key that is gone from the file is only marked. All
 * hashes are compared, each in constant time, also after a hit. */
#include "base/clock.h"
#include "base/log.h"
#include "policy/policy_private.h"

enum { KEY_BYTES_MAX = 256, FRESH_US = 2000000 };

/* ---------------------------------------------------------------- under the lock */

/* The slot is complete before readers can see it. */
static lh_rc add_slot(lh_ctx *cx, lh_policy *policy, const lhi_stored_key *from, int is_stored)
{
    size_t count = atomic_load_explicit(&policy->slots_count, memory_order_relaxed);
    if (count == LHI_SLOTS_MAX)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "%d keys came and went, which is the limit",
                       (int)LHI_SLOTS_MAX);
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
    slot->is_stored = is_stored;
    atomic_store_explicit(&policy->slots_count, count + 1, memory_order_release);
    return LH_OK;
}

static int is_open(const lhi_key *slot)
{
    return !atomic_load_explicit(&slot->revoked, memory_order_acquire);
}

static int same_key(const lhi_key *slot, const lhi_stored_key *key)
{
    return slot->is_stored && memcmp(slot->hash, key->sha256.ptr, LH_SHA256_HEX) == 0 &&
           lh_str_eq(slot->principal.name, key->name) && lh_str_eq(slot->principal.role, key->role);
}

/* First what is new, which may fail, then what is gone, which may not. */
static lh_rc follow(lh_ctx *cx, lh_policy *policy, const lhi_stored_key *keys, size_t count)
{
    size_t slots = atomic_load_explicit(&policy->slots_count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < slots && !(same_key(&policy->keys[at], &keys[i]) && is_open(&policy->keys[at])))
            at++;
        if (at == slots)
            LH_TRY(add_slot(cx, policy, &keys[i], 1));
    }
    for (size_t at = 0; at < slots; at++) {
        size_t i = 0;
        while (i < count && !same_key(&policy->keys[at], &keys[i]))
            i++;
        if (i == count && policy->keys[at].is_stored)
            atomic_store_explicit(&policy->keys[at].revoked, 1, memory_order_release);
    }
    return LH_OK;
}

static lh_rc look(lh_ctx *cx, lh_policy *policy, lh_object_info *ret_info)
{
    *ret_info = (lh_object_info){0};
    lh_rc rc = lh_store_stat(cx, lh_catalog_store(policy->catalog), LHI_KEYS_OBJECT, ret_info);
    if (rc != LH_E_NOT_FOUND)
        return rc;
    lh_err_clear(cx);
    return LH_OK;
}

/* Looked at before it is read: a change between the two is seen the next time. */
static lh_rc load(lh_ctx *cx, lh_policy *policy)
{
    lhi_stored_key *keys;
    size_t count;
    lh_object_info info;
    LH_TRY(look(cx, policy, &info));
    LH_TRY(lhi_key_file_read(cx, lh_catalog_store(policy->catalog), &keys, &count));
    LH_TRY(follow(cx, policy, keys, count));
    policy->seen = info;
    return LH_OK;
}

lh_rc lhi_keys_load(lh_ctx *cx, lh_policy *policy)
{
    LH_WITH_LOCK(&policy->lock);
    return load(cx, policy);
}

/* ---------------------------------------------------------------- verbs */

size_t lh_policy_keys_count(const lh_policy *policy)
{
    size_t open = 0;
    size_t count = atomic_load_explicit(&policy->slots_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        open += (size_t)is_open(&policy->keys[i]);
    return open;
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
    LH_TRY(lhi_key_hash(cx, key, hash));
    size_t count = atomic_load_explicit(&policy->slots_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        const lhi_key *slot = &policy->keys[i];
        int same =
            lh_str_eq_secret(lh_str_n(slot->hash, LH_SHA256_HEX), lh_str_n(hash, LH_SHA256_HEX));
        if (same & is_open(slot))
            found = &slot->principal;
    }
    if (found == NULL)
        return lh_fail(cx, LH_E_UNAUTHORIZED, "the key is not known");
    *ret_principal = found;
    return LH_OK;
}

lh_rc lh_policy_create_key(lh_ctx *cx, lh_policy *policy, lh_str name, lh_str role, lh_str *ret_key)
{
    lh_str key;
    LH_WITH_LOCK(&policy->lock); /* held over the put: each change writes the whole file */
    LH_TRY(lh_keys_create(cx, lh_catalog_store(policy->catalog), name, role, &key));
    LH_TRY(load(cx, policy));
    *ret_key = key;
    return LH_OK;
}

/* A file that changed twice within a tick of its clock looks the same, so one that is young is read
 * again. */
lh_rc lh_policy_refresh(lh_ctx *cx, lh_policy *policy)
{
    lh_object_info info;
    LH_WITH_LOCK(&policy->lock);
    LH_TRY(look(cx, policy, &info));
    if (info.bytes == policy->seen.bytes && info.modified_us == policy->seen.modified_us &&
        lh_clock_real_us() - info.modified_us > FRESH_US)
        return LH_OK;
    size_t before = lh_policy_keys_count(policy);
    LH_TRY(load(cx, policy));
    size_t after = lh_policy_keys_count(policy);
    if (before != after)
        LH_LOG(cx, KEYS_CHANGED, LH_KI("keys", (int64_t)after), LH_KI("before", (int64_t)before));
    return LH_OK;
}

lh_rc lh_policy_accept_key(lh_ctx *cx, lh_policy *policy, lh_str key)
{
    char hash[LH_SHA256_HEX];
    if (key.len == 0 || key.len > KEY_BYTES_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "a key has 1 to %d bytes", (int)KEY_BYTES_MAX);
    LH_TRY(lhi_key_hash(cx, key, hash));
    lhi_stored_key made = {
        .name = LH_S("configured"), .role = LH_S("owner"), .sha256 = lh_str_n(hash, LH_SHA256_HEX)};
    LH_WITH_LOCK(&policy->lock);
    size_t count = atomic_load_explicit(&policy->slots_count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) /* configuration is read again on reload */
        if (!policy->keys[i].is_stored && memcmp(policy->keys[i].hash, hash, sizeof(hash)) == 0)
            return LH_OK;
    return add_slot(cx, policy, &made, 0);
}
