/* policy_private.h - the key table, shared by the files of this folder; private to policy/.
 *
 * Owns:    names and hashes of keys; a slot is filled once, and only whether it opens may change.
 * Threads: readers take count with acquire and see full slots below it; changes are under lock.
 * Limits:  LHI_KEYS_MAX keys, LHI_SLOTS_MAX in the life of a process.
 * Formats: see policy.h.
 * Why:     checking a key must not wait for somebody who makes one. */
#ifndef LH_POLICY_PRIVATE_H
#define LH_POLICY_PRIVATE_H

#include "base/hash.h"
#include "os/thread.h"
#include "policy/policy.h"

#include <stdatomic.h>

enum { LHI_KEYS_MAX = 1000, LHI_SLOTS_MAX = 4000, LHI_KEY_RANDOM_BYTES = 32 };
/* Rules that decide what a role sees. It goes up when they change, so views, results and workers
 * of old rules end. */
#define LHI_POLICY_VERSION 1
#define LHI_KEYS_OBJECT    LH_S("_access/keys.json")

typedef struct lhi_key {
    lh_principal principal; /* texts in the policy's arena */
    char hash[LH_SHA256_HEX];
    int is_stored;      /* 0: accepted for the life of the process */
    atomic_int revoked; /* the principal stays for who holds it, the key opens nothing */
} lhi_key;

struct lh_policy {
    lh_catalog *catalog; /* borrowed */
    lh_arena *arena;     /* of all texts; used under lock */
    lh_mutex lock;
    lh_principal local_owner;
    lhi_key *keys; /* LHI_SLOTS_MAX slots */
    atomic_size_t slots_count;
    lh_object_info seen; /* of the key file, as it was read; key unused */
};

typedef struct lhi_stored_key {
    lh_str name;
    lh_str role;
    lh_str sha256;
    int64_t created_at;
} lhi_stored_key;

/* key_file.c: the key file, whole; no file is no keys. Lists in the arena. */
LH_WARN_UNUSED lh_rc lhi_key_file_read(lh_ctx *cx, lh_store *store, lhi_stored_key **ret_keys,
                                       size_t *ret_count);
/* Small letters only, so that a stored one compares equal byte by byte. */
LH_WARN_UNUSED lh_rc lhi_key_hash(lh_ctx *cx, lh_str key, char out[LH_SHA256_HEX]);
/* policy_keys.c */
LH_WARN_UNUSED lh_rc lhi_keys_load(lh_ctx *cx, lh_policy *policy);
/* "owner@1": what a worker is bound to. In the arena of cx. */
lh_str lhi_policy_domain(lh_ctx *cx, lh_str role);

#endif
