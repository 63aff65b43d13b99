/* base/error_list.h - every error this program can answer with.
 *
 * To add an error: 1. add a row here (symbol, wire code, HTTP status, retryable, text);
 * 2. run `make check`, which tells that docs/api/errors.json changed; commit both.
 * The wire code is a promise to clients: never rename one. Statuses are only those of contract A3.
 *
 * Owns: nothing. Threads: constants. Limits: none. Formats: docs/api/errors.json. Why: one table,
 *       no drift. */
#ifndef LH_BASE_ERROR_LIST_H
#define LH_BASE_ERROR_LIST_H

/* clang-format off */
#define LH_ERROR_LIST(X)                                                                                       \
    X(BAD_REQUEST,       "bad_request",       400, 0, "The request could not be understood.")                  \
    X(BAD_JSON,          "bad_json",          400, 0, "The body is not valid JSON.")                           \
    X(BAD_VALUE,         "bad_value",         400, 0, "A value has the wrong type or is outside its limits.")  \
    X(UNKNOWN_FIELD,     "unknown_field",     400, 0, "The request has a field that is not known.")            \
    X(MISSING_FIELD,     "missing_field",     400, 0, "A required field is missing.")                          \
    X(BAD_MULTIPART,     "bad_multipart",     400, 0, "The multipart body is malformed.")                      \
    X(BAD_NAME,          "bad_name",          400, 0, "A name or key contains what is not allowed.")           \
    X(BAD_CONFIG,        "bad_config",        400, 0, "The configuration is not valid.")                       \
    X(SQL_SYNTAX,        "sql_syntax",        400, 0, "The SQL text does not parse.")                          \
    X(SQL_INVALID,       "sql_invalid",       400, 0, "The SQL refers to something that does not exist or does not fit.") \
    X(UNAUTHORIZED,      "unauthorized",      401, 0, "No key, or a key that is not known.")                   \
    X(FORBIDDEN,         "forbidden",         403, 0, "The principal may not do this.")                        \
    X(SQL_DENIED,        "sql_denied",        403, 0, "The SQL uses what is not allowed.")                     \
    X(NOT_FOUND,         "not_found",         404, 0, "No such object.")                                       \
    X(UNKNOWN_DATASET,   "unknown_dataset",   404, 0, "No dataset of that name.")                              \
    X(METHOD_NOT_ALLOWED,"method_not_allowed",405, 0, "The path exists, but not with this method.")            \
    X(CONFLICT,          "conflict",          409, 1, "Somebody else changed it first.")                       \
    X(ALREADY_EXISTS,    "already_exists",    409, 0, "An object of that name exists.")                        \
    X(LENGTH_REQUIRED,   "length_required",   411, 0, "The request needs a length.")                           \
    X(TOO_LARGE,         "too_large",         413, 0, "It is larger than the limit.")                          \
    X(URL_TOO_LONG,      "url_too_long",      414, 0, "The URL is longer than the limit.")                        \
    X(UNSUPPORTED_MEDIA, "unsupported_media", 415, 0, "The content type or encoding is not supported.")        \
    X(UNPROCESSABLE,     "unprocessable",     422, 0, "The content was understood but cannot be accepted.")    \
    X(TOO_MANY_REQUESTS, "too_many_requests", 429, 1, "Too many requests.")                                    \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, 0, "The request's headers are too large.")                  \
    X(INTERNAL,          "internal",          500, 0, "A fault of the server.")                                \
    X(IO,                "io",                500, 1, "Reading or writing failed.")                            \
    X(CORRUPT,           "corrupt",           500, 0, "Stored bytes fail their checks.")                       \
    X(WORKER_CRASHED,    "worker_crashed",    500, 1, "The worker of this request ended unexpectedly.")        \
    X(PROVIDER,          "provider",          502, 1, "A provider failed.")                                    \
    X(UNAVAILABLE,       "unavailable",       503, 1, "Cannot now; try again later.")                          \
    X(NO_MEMORY,         "no_memory",         503, 1, "Out of memory.")                                        \
    X(POOL_FULL,         "pool_full",         503, 1, "All workers are busy and the queue is full.")           \
    X(CANCELLED,         "cancelled",         503, 0, "The work was cancelled.")                               \
    X(DEADLINE,          "deadline",          504, 1, "The deadline passed.")                                  \
    X(MEMORY_LIMIT,      "memory_limit",      507, 0, "The work needed more memory than its limit.")           \
    X(NO_SPACE,          "no_space",          507, 1, "The disk is full.")
/* clang-format on */

#endif
