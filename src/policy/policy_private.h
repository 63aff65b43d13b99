/* policy_private.h - the key table, shared by the files of this folder; private to policy/.
 *
 * Owns:    names and hashes of keys; a slot is filled once and never changed.
 * Threads: readers take count with acquire and see full slots below it; adding is under lock.
 * Limits:  LHI_KEYS_MAX keys.
 * Formats: see policy.h.
 * Why:     checking a key must not wait for somebody who makes one. */
#ifndef LH_POLICY_PRIVATE_H
#define LH_POLICY_PRIVATE_H

#include "base/hash.h"
#include "os/thread.h"
#include "policy/policy.h"

#include <stdatomic.h>

enum { LHI_KEYS_MAX = 1000, LHI_KEY_RANDOM_BYTES = 32 };
/* Rules that decide what a role sees. It goes up when they change, so views, results and workers
 * of old rules end. */
#define LHI_POLICY_VERSION 1
#define LHI_KEYS_OBJECT    LH_S("_access/keys.json")

typedef struct lhi_key {
    lh_principal principal; /* texts in the policy's arena */
    char hash[LH_SHA256_HEX];
    int64_t created_at;
    int is_stored; /* 0: accepted for the life of the process */
} lhi_key;

struct lh_policy {
    lh_catalog *catalog; /* borrowed */
    lh_arena *arena;     /* of all texts; used under lock */
    lh_mutex lock;
    lh_principal local_owner;
    lhi_key *keys; /* LHI_KEYS_MAX slots */
    atomic_size_t keys_count;
};

/* policy_keys.c */
LH_WARN_UNUSED lh_rc lhi_keys_load(lh_ctx *cx, lh_policy *policy);
/* "owner@1": what a worker is bound to. In the arena of cx. */
lh_str lhi_policy_domain(lh_ctx *cx, lh_str role);

#endif
