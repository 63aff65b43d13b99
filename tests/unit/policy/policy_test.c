/* policy_test.c - keys, principals, grants. links: os storage journal catalog */
#include "../catalog/catalog_fixture.h"
#include "base/log.h"
#include "policy/policy_private.h"

#include <sys/stat.h>

static lh_policy *open_policy(fixture *f)
{
    lh_policy *policy = NULL;
    ck_lh_ok(&f->s, lh_policy_open(&f->s.cx, f->catalog, &policy));
    return policy;
}

LH_TEST(a_key_opens_after_a_restart_and_nothing_else_does)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    lh_str key, second;
    ck_lh_ok(&f.s, lh_policy_create_key(&f.s.cx, policy, LH_S("alice"), LH_S("owner"), &key));
    ck_lh_ok(&f.s, lh_policy_create_key(&f.s.cx, policy, LH_S("bob"), LH_S("owner"), &second));
    ck_assert_uint_eq(key.len, 4 + 43);
    ck_assert(lh_str_starts(key, LH_S("lhk_")));
    ck_assert(!lh_str_eq(key, second));
    for (int round = 0; round < 2; round++) {
        const lh_principal *who = NULL;
        ck_assert_uint_eq(lh_policy_keys_count(policy), 2);
        ck_lh_ok(&f.s, lh_policy_authenticate(&f.s.cx, policy, key, &who));
        ck_assert(lh_str_eq(who->name, LH_S("alice")));
        ck_assert(lh_str_eq(who->role, LH_S("owner")));
        ck_assert(lh_str_eq(who->domain, LH_S("owner@1")));
        ck_lh_ok(&f.s, lh_policy_authenticate(&f.s.cx, policy, second, &who));
        ck_assert(lh_str_eq(who->name, LH_S("bob")));
        lh_policy_close(policy);
        fixture_restart(&f);
        policy = open_policy(&f);
    }
    lh_policy_close(policy);
    fixture_close(&f);
}

LH_TEST(every_other_text_is_refused)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    const lh_principal *who = NULL;
    lh_str key;
    ck_lh_fails(lh_policy_authenticate(&f.s.cx, policy, LH_S("lhk_x"), &who), LH_E_UNAUTHORIZED);
    ck_lh_ok(&f.s, lh_policy_create_key(&f.s.cx, policy, LH_S("a"), LH_S("owner"), &key));
    ck_lh_fails(lh_policy_authenticate(&f.s.cx, policy, LH_STR_NONE, &who), LH_E_UNAUTHORIZED);
    for (size_t i = 0; i < key.len; i++) {
        char *other = LH_NEW_ARRAY(&f.s.cx, char, key.len);
        memcpy(other, key.ptr, key.len);
        other[i] ^= 1;
        ck_lh_fails(lh_policy_authenticate(&f.s.cx, policy, lh_str_n(other, key.len), &who),
                    LH_E_UNAUTHORIZED);
        ck_lh_fails(lh_policy_authenticate(&f.s.cx, policy, lh_str_sub(key, 0, i), &who),
                    LH_E_UNAUTHORIZED);
    }
    char huge[100000];
    memset(huge, 'a', sizeof(huge));
    ck_lh_fails(lh_policy_authenticate(&f.s.cx, policy, lh_str_n(huge, sizeof(huge)), &who),
                LH_E_UNAUTHORIZED);
    ck_assert_ptr_null(who);
    lh_policy_close(policy);
    fixture_close(&f);
}

LH_TEST(a_stored_key_is_not_in_the_store)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    lh_str key, bytes, path;
    struct stat st;
    ck_lh_ok(&f.s, lh_policy_create_key(&f.s.cx, policy, LH_S("a"), LH_S("owner"), &key));
    ck_lh_ok(&f.s, lh_store_get(&f.s.cx, f.store, LH_S("_access/keys.json"), 1 << 20, &bytes));
    ck_assert_uint_eq(lh_str_find(bytes, key), LH_STR_NPOS);
    ck_assert_uint_eq(lh_str_find(bytes, lh_str_from_offset(key, 4)), LH_STR_NPOS);
    ck_lh_ok(&f.s, lh_store_local_path(&f.s.cx, f.store, LH_S("_access/keys.json"), &path));
    ck_assert_int_eq(stat(lh_ctx_cstr(&f.s.cx, path), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    lh_policy_close(policy);
    fixture_close(&f);
}

LH_TEST(names_and_roles_are_checked)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    lh_str key;
    ck_lh_ok(&f.s, lh_policy_create_key(&f.s.cx, policy, LH_S("a"), LH_S("owner"), &key));
    ck_lh_fails(lh_policy_create_key(&f.s.cx, policy, LH_S("a"), LH_S("owner"), &key),
                LH_E_ALREADY_EXISTS);
    ck_lh_fails(lh_policy_create_key(&f.s.cx, policy, LH_S("b"), LH_S("root"), &key),
                LH_E_BAD_VALUE);
    ck_lh_fails(lh_policy_create_key(&f.s.cx, policy, LH_S(""), LH_S("owner"), &key),
                LH_E_BAD_NAME);
    ck_lh_fails(lh_policy_create_key(&f.s.cx, policy, LH_S("a\nb"), LH_S("owner"), &key),
                LH_E_BAD_NAME);
    ck_assert_uint_eq(lh_policy_keys_count(policy), 1);
    lh_policy_close(policy);
    fixture_close(&f);
}

LH_TEST(an_accepted_key_lives_as_long_as_the_process)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    const lh_principal *who = NULL;
    lh_str key;
    ck_lh_ok(&f.s, lh_policy_accept_key(&f.s.cx, policy, LH_S("my own secret")));
    ck_lh_ok(&f.s, lh_policy_accept_key(&f.s.cx, policy, LH_S("my own secret")));
    ck_assert_uint_eq(lh_policy_keys_count(policy), 1);
    ck_lh_ok(&f.s, lh_policy_authenticate(&f.s.cx, policy, LH_S("my own secret"), &who));
    ck_lh_ok(&f.s, lh_policy_create_key(&f.s.cx, policy, LH_S("stored"), LH_S("owner"), &key));
    lh_policy_close(policy);
    policy = open_policy(&f);
    ck_lh_fails(lh_policy_authenticate(&f.s.cx, policy, LH_S("my own secret"), &who),
                LH_E_UNAUTHORIZED);
    ck_assert_uint_eq(lh_policy_keys_count(policy), 1);
    lh_policy_close(policy);
    fixture_close(&f);
}

static int opens(fixture *f, lh_policy *policy, lh_str key)
{
    const lh_principal *who = NULL;
    int rc = lh_policy_authenticate(&f->s.cx, policy, key, &who) == LH_OK;
    lh_err_clear(&f->s.cx);
    return rc;
}

LH_TEST(keys_made_and_taken_back_beside_the_server_are_followed)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    lh_str first, second, again;
    const lh_principal *who = NULL;
    ck_lh_ok(&f.s, lh_policy_accept_key(&f.s.cx, policy, LH_S("my own secret")));
    ck_lh_ok(&f.s, lh_policy_create_key(&f.s.cx, policy, LH_S("a"), LH_S("owner"), &first));
    ck_lh_ok(&f.s, lh_policy_authenticate(&f.s.cx, policy, first, &who));
    ck_lh_ok(&f.s, lh_keys_create(&f.s.cx, f.store, LH_S("b"), LH_S("owner"), &second));
    ck_assert(!opens(&f, policy, second));
    ck_lh_ok(&f.s, lh_policy_refresh(&f.s.cx, policy));
    ck_assert(opens(&f, policy, first) && opens(&f, policy, second));
    ck_lh_ok(&f.s, lh_keys_revoke(&f.s.cx, f.store, LH_S("a")));
    ck_lh_ok(&f.s, lh_policy_refresh(&f.s.cx, policy));
    ck_assert(!opens(&f, policy, first) && opens(&f, policy, second));
    ck_assert(lh_str_eq(who->name, LH_S("a"))); /* who was let in before is still known */
    ck_lh_ok(&f.s, lh_keys_create(&f.s.cx, f.store, LH_S("a"), LH_S("owner"), &again));
    ck_lh_ok(&f.s, lh_policy_refresh(&f.s.cx, policy));
    ck_assert(!opens(&f, policy, first) && opens(&f, policy, again));
    ck_assert(opens(&f, policy, LH_S("my own secret")));
    ck_assert_uint_eq(lh_policy_keys_count(policy), 3);
    lh_key_info *items;
    size_t count;
    ck_lh_ok(&f.s, lh_keys_list(&f.s.cx, f.store, &items, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert(lh_str_eq(items[0].name, LH_S("b")) && lh_str_eq(items[1].name, LH_S("a")));
    ck_lh_fails(lh_keys_revoke(&f.s.cx, f.store, LH_S("c")), LH_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(f.s.cx.err.hint, "b, a"));
    lh_policy_close(policy);
    policy = open_policy(&f);
    ck_assert(!opens(&f, policy, first) && opens(&f, policy, second) && opens(&f, policy, again));
    lh_policy_close(policy);
    fixture_close(&f);
}

LH_TEST(a_key_file_that_breaks_or_goes_while_the_server_runs)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    lh_str key;
    ck_lh_ok(&f.s, lh_policy_create_key(&f.s.cx, policy, LH_S("a"), LH_S("owner"), &key));
    ck_lh_ok(&f.s, lh_store_put(&f.s.cx, f.store, LH_S("_access/keys.json"), LH_S("{}")));
    ck_lh_fails(lh_policy_refresh(&f.s.cx, policy), LH_E_CORRUPT);
    ck_assert(opens(&f, policy, key)); /* as it was */
    ck_lh_ok(&f.s, lh_store_delete(&f.s.cx, f.store, LH_S("_access/keys.json")));
    ck_lh_ok(&f.s, lh_policy_refresh(&f.s.cx, policy));
    ck_assert(!opens(&f, policy, key));
    lh_policy_close(policy);
    fixture_close(&f);
}

LH_TEST(a_damaged_key_file_opens_nothing)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    lh_str key, bytes;
    ck_lh_ok(&f.s, lh_policy_create_key(&f.s.cx, policy, LH_S("a"), LH_S("owner"), &key));
    lh_policy_close(policy);
    ck_lh_ok(&f.s, lh_store_get(&f.s.cx, f.store, LH_S("_access/keys.json"), 1 << 20, &bytes));
    for (size_t i = 0; i < bytes.len; i++) {
        char *other = LH_NEW_ARRAY(&f.s.cx, char, bytes.len);
        memcpy(other, bytes.ptr, bytes.len);
        other[i] ^= 1;
        ck_lh_ok(&f.s, lh_store_put(&f.s.cx, f.store, LH_S("_access/keys.json"),
                                    lh_str_n(other, bytes.len)));
        ck_lh_fails(lh_policy_open(&f.s.cx, f.catalog, &policy), LH_E_CORRUPT);
    }
    fixture_close(&f);
}

LH_TEST(the_owner_sees_everything)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    const lh_principal *owner = lh_policy_local_owner(policy);
    lh_grant first, second;
    lh_snapshot *one = append(&f, "d", 1, 5);
    ck_lh_ok(&f.s, lh_store_put(&f.s.cx, f.store, LH_S("datasets/d/u1.parquet"), LH_S("x")));
    ck_lh_ok(&f.s, lh_store_put(&f.s.cx, f.store, LH_S("datasets/d/u2.parquet"), LH_S("x")));
    ck_lh_ok(&f.s, lh_policy_grant(&f.s.cx, policy, owner, one, &first));
    ck_assert_uint_eq(first.columns_count, 2);
    ck_assert(lh_str_eq(first.columns[1]->name, LH_S("note")));
    ck_assert_int_eq(first.all_rows, 1);
    ck_assert(lh_str_starts(first.sql, LH_S("SELECT \"id\", \"note\" FROM read_parquet(['")));
    lh_snapshot *two = append(&f, "d", 2, 5);
    ck_lh_ok(&f.s, lh_policy_grant(&f.s.cx, policy, owner, two, &second));
    ck_assert(!lh_str_eq(first.version, second.version));
    ck_assert(lh_policy_may_see(policy, owner, one));
    ck_lh_ok(&f.s, lh_policy_check(&f.s.cx, policy, owner, LH_ACTION_ADMIN, LH_S("keys")));
    lh_snapshot_unref(one);
    lh_snapshot_unref(two);
    lh_policy_close(policy);
    fixture_close(&f);
}

LH_TEST(whoever_is_not_known_sees_nothing)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    lh_principal other = {.name = LH_S("x"), .role = LH_S("analyst"), .domain = LH_S("analyst@1")};
    lh_snapshot *snapshot = append(&f, "d", 1, 5);
    lh_grant grant;
    ck_lh_fails(lh_policy_grant(&f.s.cx, policy, &other, snapshot, &grant), LH_E_FORBIDDEN);
    ck_assert_uint_gt(strlen(f.s.cx.err.hint), 0);
    ck_lh_fails(lh_policy_grant(&f.s.cx, policy, NULL, snapshot, &grant), LH_E_UNAUTHORIZED);
    ck_lh_fails(lh_policy_check(&f.s.cx, policy, &other, LH_ACTION_READ, LH_S("d")),
                LH_E_FORBIDDEN);
    ck_assert(!lh_policy_may_see(policy, &other, snapshot));
    ck_assert(!lh_policy_may_see(policy, NULL, snapshot));
    lh_snapshot_unref(snapshot);
    lh_policy_close(policy);
    fixture_close(&f);
}

typedef struct maker {
    lh_policy *policy;
    int id;
    int made;
    int opened;
} maker;

static void make_keys(void *arg)
{
    maker *m = arg;
    for (int i = 0; i < 10; i++) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        const lh_principal *who;
        lh_str key, name = lh_ctx_fmt(&cx, "k%d-%d", m->id, i);
        if (lh_policy_create_key(&cx, m->policy, name, LH_S("owner"), &key) == LH_OK)
            m->made++;
        if (lh_policy_authenticate(&cx, m->policy, key, &who) == LH_OK &&
            lh_str_eq(who->name, name))
            m->opened++;
        lh_arena_free(arena);
    }
}

LH_TEST(keys_made_at_once_are_all_kept)
{
    fixture f;
    fixture_open(&f);
    lh_policy *policy = open_policy(&f);
    maker makers[4];
    lh_thread *threads[4];
    for (int i = 0; i < 4; i++) {
        makers[i] = (maker){.policy = policy, .id = i};
        ck_lh_ok(&f.s, lh_thread_start(&f.s.cx, "maker", 0, make_keys, &makers[i], &threads[i]));
    }
    for (int i = 0; i < 4; i++) {
        lh_thread_join(threads[i]);
        ck_assert_int_eq(makers[i].made, 10);
        ck_assert_int_eq(makers[i].opened, 10);
    }
    lh_policy_close(policy);
    policy = open_policy(&f);
    ck_assert_uint_eq(lh_policy_keys_count(policy), 40);
    lh_policy_close(policy);
    fixture_close(&f);
}
