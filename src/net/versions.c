/* net/versions.c - asks each library itself: what runs may be newer than what was compiled against.
 * */
#include "net/versions.h"

#include <curl/curl.h>
#include <llhttp.h>
#include <openssl/crypto.h>
#include <uv.h>
#include <zlib.h>

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)

const lh_library_version *lh_net_versions(void)
{
    static lh_library_version versions[6];
    versions[0] = (lh_library_version){"libuv", uv_version_string()};
    versions[1] = (lh_library_version){
        "llhttp",
        TEXT(LLHTTP_VERSION_MAJOR) "." TEXT(LLHTTP_VERSION_MINOR) "." TEXT(LLHTTP_VERSION_PATCH)};
    versions[2] = (lh_library_version){"libcurl", curl_version_info(CURLVERSION_NOW)->version};
    versions[3] = (lh_library_version){"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)};
    versions[4] = (lh_library_version){"zlib", zlibVersion()};
    return versions;
}
