/* policy/policy.h - the one gate for every reader: this principal, this dataset, these columns,
 * these rows.
 *
 * Owns:    the key table and principals (immortal: never freed while the policy is open).
 * Threads: all functions from any thread.
 * Limits:  1,000 keys at once, 4,000 in the life of a server.
 * Formats: `_access/keys.json`: principals, roles and SHA-256 hashes of keys; never a key.
 * Why:     SQL, vector search and every later road ask here, so a rule holds everywhere
 *          (architecture, idea 3). The only role so far is the owner, who sees everything; the
 *          seam is final. */
#ifndef LH_POLICY_POLICY_H
#define LH_POLICY_POLICY_H

#include "catalog/catalog.h"

typedef struct lh_policy lh_policy;

typedef struct lh_principal {
    lh_str name;
    lh_str role;   /* "owner" */
    lh_str domain; /* role + policy version; a worker serves one domain only */
} lh_principal;

LH_WARN_UNUSED lh_rc lh_policy_open(lh_ctx *cx, lh_catalog *catalog, lh_policy **ret_policy);
lh_policy *lh_policy_close(lh_policy *policy);

/* The principal when authentication is off. */
const lh_principal *lh_policy_local_owner(const lh_policy *policy);
/* Constant time over all keys. LH_E_UNAUTHORIZED. */
LH_WARN_UNUSED lh_rc lh_policy_authenticate(lh_ctx *cx, lh_policy *policy, lh_str key,
                                            const lh_principal **ret_principal);
size_t lh_policy_keys_count(const lh_policy *policy);
/* lh_keys_create for an open policy, which knows the key when this returns. */
LH_WARN_UNUSED lh_rc lh_policy_create_key(lh_ctx *cx, lh_policy *policy, lh_str name, lh_str role,
                                          lh_str *ret_key);
/* Follows the stored keys when another process changed them; cheap when none did. On error the keys
 * stay as they were. */
LH_WARN_UNUSED lh_rc lh_policy_refresh(lh_ctx *cx, lh_policy *policy);
/* Accepts this key as the owner's for the life of the process (configuration, secrets). Not
 * stored. */
LH_WARN_UNUSED lh_rc lh_policy_accept_key(lh_ctx *cx, lh_policy *policy, lh_str key);

/* The stored keys of a store, also while a server uses it: one process at a time changes them (the
 * caller's lock), the server follows by lh_policy_refresh. */
typedef struct lh_key_info {
    lh_str name;
    lh_str role;
    int64_t created_at; /* real microseconds */
} lh_key_info;
/* In order of age, in the arena. */
LH_WARN_UNUSED lh_rc lh_keys_list(lh_ctx *cx, lh_store *store, lh_key_info **ret_items,
                                  size_t *ret_count);
/* Makes a key (lhk_ + 43 characters), stores its hash durably; *ret_key is shown once.
 * LH_E_ALREADY_EXISTS (name). */
LH_WARN_UNUSED lh_rc lh_keys_create(lh_ctx *cx, lh_store *store, lh_str name, lh_str role,
                                    lh_str *ret_key);
/* Durable when it returns. LH_E_NOT_FOUND with the names there are. */
LH_WARN_UNUSED lh_rc lh_keys_revoke(lh_ctx *cx, lh_store *store, lh_str name);

/* What this principal may see of this snapshot: the answer every reader builds on. */
typedef struct lh_grant {
    lh_snapshot *snapshot; /* borrowed */
    lh_str
        version; /* changes with the snapshot and with the rules: cache key of views and results */
    lh_str
        sql; /* SELECT that yields the visible columns (masked where asked) of the visible rows */
    const lh_column **columns; /* visible, in order; in the arena */
    const uint8_t *masked;     /* of each: the SELECT shows something else than what is stored */
    size_t columns_count;
    int all_rows; /* 1: no row filter, so ids need no check before a vector search */
} lh_grant;
/* LH_E_FORBIDDEN with what would be allowed. */
LH_WARN_UNUSED lh_rc lh_policy_grant(lh_ctx *cx, lh_policy *policy, const lh_principal *principal,
                                     lh_snapshot *snapshot, lh_grant *ret_grant);
/* May it see that the dataset exists? For lists, near names and errors. */
int lh_policy_may_see(lh_policy *policy, const lh_principal *principal,
                      const lh_snapshot *snapshot);

typedef enum lh_action { LH_ACTION_READ, LH_ACTION_WRITE, LH_ACTION_ADMIN } lh_action;
LH_WARN_UNUSED lh_rc lh_policy_check(lh_ctx *cx, lh_policy *policy, const lh_principal *principal,
                                     lh_action action, lh_str resource);

#endif
