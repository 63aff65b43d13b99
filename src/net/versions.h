/* net/versions.h - versions of the libraries this folder stands on, as they run.
 *
 * Owns: static texts. Threads: any. Limits: none. Formats: none. Why: only net includes their
 *          headers. */
#ifndef LH_NET_VERSIONS_H
#define LH_NET_VERSIONS_H

typedef struct lh_library_version {
    const char *name;
    const char *version;
} lh_library_version;
extern const lh_library_version *lh_net_versions(void); /* ends with a NULL name */

#endif
