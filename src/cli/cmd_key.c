/* cli/cmd_key.c - keys are made, listed and taken back in the data folder, also while a server runs
 * on it, which follows within a second. A lock of their own keeps two such commands apart. */
#include "base/clock.h"
#include "cli/cli.h"
#include "os/file.h"
#include "policy/policy.h"

#include <stdio.h>

lh_rc lh_cli_data_root(lh_ctx *cx, const lh_cli_args *args, lh_str *ret_root)
{
    const char *dir = lh_cli_get(args, "data");
    dir = dir != NULL ? dir : "data";
    lh_rc rc = lh_path_absolute(cx, lh_str_from(dir), ret_root);
    return rc == LH_OK ? LH_OK
                       : lh_err_hint(cx, "give the data folder with --data; is '%s' right?", dir);
}

static lh_rc lock_keys(lh_ctx *cx, lh_str root, lh_file **ret_lock)
{
    LH_CLEANUP(lh_file_close) lh_file *lock = NULL;
    LH_TRY(lh_dir_make(cx, lh_path_join(cx, root, LH_S(".lakehouse"))));
    LH_TRY(lh_file_open(cx, lh_path_join(cx, root, LH_S(".lakehouse/keys.lock")),
                        LH_FILE_READ_WRITE, &lock));
    lh_rc rc = lh_file_lock(cx, lock);
    if (rc == LH_E_CONFLICT) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "another command changes the keys"));
        return lh_err_hint(cx, "try again");
    }
    LH_TRY(rc);
    *ret_lock = LH_TAKE(lock);
    return LH_OK;
}

/* ---- output ---- */

static int print_json(lh_ctx *cx, const lh_key_info *items, size_t count, lh_str key)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, 1u << 20);
    lh_json_writer w;
    char made[LH_TIME_TEXT_BYTES];
    lh_jw_init(&w, cx, &out);
    for (size_t i = 0; i < count; i++) {
        lh_jw_object_begin(&w);
        lh_jw_kv_str(&w, LH_S("name"), items[i].name);
        if (items[i].role.len > 0) {
            lh_jw_kv_str(&w, LH_S("role"), items[i].role);
            lh_jw_kv_str(&w, LH_S("created_at"), lh_time_text(items[i].created_at, made));
        }
        if (key.len > 0)
            lh_jw_kv_str(&w, LH_S("key"), key);
        lh_jw_object_end(&w);
        if (lh_jw_end(&w) != LH_OK || lh_buf_append_char(cx, &out, '\n') != LH_OK)
            return lh_cli_failed(cx);
        lh_jw_init(&w, cx, &out);
    }
    lh_cli_out(lh_buf_str(&out));
    return LH_EXIT_DONE;
}

/* ---- verbs ---- */

typedef struct key_run {
    lh_ctx *cx;
    lh_store *store;
    lh_str name;
    int json;
} key_run;

static int create(const key_run *r)
{
    lh_str key;
    if (lh_keys_create(r->cx, r->store, r->name, LH_S("owner"), &key) != LH_OK)
        return lh_cli_failed(r->cx);
    if (r->json)
        return print_json(r->cx, &(lh_key_info){.name = r->name}, 1, key);
    printf("%.*s\n", LH_STR_ARG(key));
    return LH_EXIT_DONE;
}

static int revoke(const key_run *r)
{
    if (lh_keys_revoke(r->cx, r->store, r->name) != LH_OK)
        return lh_cli_failed(r->cx);
    if (r->json)
        return print_json(r->cx, &(lh_key_info){.name = r->name}, 1, LH_STR_NONE);
    printf("'%.*s' opens nothing any more; a running server follows within a second\n",
           LH_STR_ARG(r->name));
    return LH_EXIT_DONE;
}

static int list(const key_run *r)
{
    lh_key_info *items;
    size_t count;
    if (lh_keys_list(r->cx, r->store, &items, &count) != LH_OK)
        return lh_cli_failed(r->cx);
    if (r->json)
        return print_json(r->cx, items, count, LH_STR_NONE);
    for (size_t i = 0; i < count; i++) {
        char made[LH_TIME_TEXT_BYTES];
        lh_str at = lh_time_text(items[i].created_at, made);
        printf("%-24.*s %-8.*s %.*s\n", LH_STR_ARG(items[i].name), LH_STR_ARG(items[i].role),
               LH_STR_ARG(at));
    }
    return LH_EXIT_DONE;
}

static const struct {
    const char *word;
    size_t words; /* with itself */
    int changes;
    int (*run)(const key_run *r);
} verbs[] = {{"create", 2, 1, create}, {"list", 1, 0, list}, {"revoke", 2, 1, revoke}};

int lh_cmd_key(lh_ctx *cx, const lh_cli_args *args)
{
    LH_CLEANUP(lh_file_close) lh_file *lock = NULL;
    LH_CLEANUP(lh_store_close) lh_store *store = NULL;
    lh_str root;
    size_t at = 0;
    while (at < LH_ARRAY_LEN(verbs) &&
           !(args->rest_count == verbs[at].words && strcmp(args->rest[0], verbs[at].word) == 0))
        at++;
    if (at == LH_ARRAY_LEN(verbs))
        return lh_cli_usage(NULL, "key: say `key create NAME`, `key list` or `key revoke NAME`");
    if (lh_cli_data_root(cx, args, &root) != LH_OK)
        return lh_cli_failed(cx);
    /* A staging folder of its own: opening one empties it, and the server's is in use. */
    lh_str staging =
        verbs[at].changes ? lh_path_join(cx, root, LH_S(".lakehouse/keys-staging")) : LH_STR_NONE;
    if ((verbs[at].changes && lock_keys(cx, root, &lock) != LH_OK) ||
        lh_store_open_local(cx, root, staging, &store) != LH_OK)
        return lh_cli_failed(cx);
    const key_run run = {.cx = cx,
                         .store = store,
                         .name = verbs[at].words > 1 ? lh_str_from(args->rest[1]) : LH_STR_NONE,
                         .json = lh_cli_has(args, "json")};
    return verbs[at].run(&run);
}
