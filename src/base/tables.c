/* tables.c - every table of base/ row by row into the JSON writer. */
#include "base/tables.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"

static void kv_text(lh_json_writer *w, lh_str key, const char *text)
{
    lh_jw_kv_str(w, key, lh_str_from(text));
}

void lh_error_write_table(lh_json_writer *w)
{
    lh_jw_array_begin(w);
    for (int i = LH_OK + 1; i < LH_RC_COUNT; i++) {
        lh_rc rc = (lh_rc)i;
        lh_jw_object_begin(w);
        kv_text(w, LH_S("code"), lh_rc_code(rc));
        lh_jw_kv_i64(w, LH_S("status"), lh_rc_status(rc));
        lh_jw_kv_bool(w, LH_S("retryable"), lh_rc_retryable(rc));
        kv_text(w, LH_S("text"), lh_rc_text(rc));
        lh_jw_object_end(w);
    }
    lh_jw_array_end(w);
}

void lh_fault_write_table(lh_json_writer *w)
{
    lh_jw_array_begin(w);
    for (int i = 0; i < LH_FAULT_COUNT; i++) {
        lh_jw_object_begin(w);
        kv_text(w, LH_S("name"), lh_fault_name((lh_fault_point)i));
        kv_text(w, LH_S("doc"), lh_fault_doc((lh_fault_point)i));
        lh_jw_object_end(w);
    }
    lh_jw_array_end(w);
}

void lh_log_write_table(lh_json_writer *w)
{
    lh_jw_array_begin(w);
    for (int i = 0; i < LH_LOG_EVENT_COUNT; i++) {
        lh_log_event event = (lh_log_event)i;
        lh_jw_object_begin(w);
        kv_text(w, LH_S("event"), lh_log_event_name(event));
        kv_text(w, LH_S("level"), lh_log_level_name(lh_log_event_level(event)));
        kv_text(w, LH_S("doc"), lh_log_event_doc(event));
        lh_jw_object_end(w);
    }
    lh_jw_array_end(w);
}

void lh_metric_write_table(lh_json_writer *w)
{
    lh_jw_array_begin(w);
    for (int i = 0; i < LH_METRIC_COUNT; i++) {
        const char *name, *kind, *label, *help;
        lh_metric_describe((lh_metric)i, &name, &kind, &label, &help);
        lh_jw_object_begin(w);
        kv_text(w, LH_S("name"), name);
        kv_text(w, LH_S("kind"), kind);
        if (label[0] != '\0')
            kv_text(w, LH_S("label"), label);
        kv_text(w, LH_S("help"), help);
        lh_jw_object_end(w);
    }
    lh_jw_array_end(w);
}

static const char *config_unit(lh_config_type type)
{
    return type == LH_C_SIZE ? "bytes" : type == LH_C_DURATION ? "microseconds" : NULL;
}

static void write_config_limits(lh_json_writer *w, const lh_config_key *key)
{
    const char *unit = config_unit(key->type);
    if (key->min != 0 || key->max != 0) {
        lh_jw_kv_i64(w, LH_S("min"), key->min);
        lh_jw_kv_i64(w, LH_S("max"), key->max);
        if (unit != NULL)
            kv_text(w, LH_S("limits_unit"), unit);
    }
    if (key->names == NULL)
        return;
    lh_jw_key(w, LH_S("names"));
    lh_jw_array_begin(w);
    for (const char *const *name = key->names; *name != NULL; name++)
        lh_jw_str(w, lh_str_from(*name));
    lh_jw_array_end(w);
}

void lh_config_write_table(lh_json_writer *w, const lh_config_key *keys)
{
    lh_jw_array_begin(w);
    for (const lh_config_key *key = keys; key->section != NULL; key++) {
        char env[128];
        lh_config_env_name(key, env, sizeof(env));
        lh_jw_object_begin(w);
        kv_text(w, LH_S("section"), key->section);
        kv_text(w, LH_S("key"), key->key);
        kv_text(w, LH_S("env"), env);
        kv_text(w, LH_S("type"), lh_config_type_name(key->type));
        lh_jw_key(w, LH_S("default"));
        if (key->def == NULL || key->def[0] == '\0')
            lh_jw_null(w);
        else
            lh_jw_str(w, lh_str_from(key->def));
        write_config_limits(w, key);
        lh_jw_kv_bool(w, LH_S("reload"), (key->flags & LH_CONFIG_RELOAD) != 0);
        lh_jw_kv_bool(w, LH_S("secret"), (key->flags & LH_CONFIG_SECRET) != 0);
        kv_text(w, LH_S("doc"), key->doc != NULL ? key->doc : "");
        lh_jw_object_end(w);
    }
    lh_jw_array_end(w);
}
