# One imported target per need, and which folder may link it. A new dependency is a row in lh_third_party_of.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CURL REQUIRED)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(STEMMER_LIBRARY stemmer REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)

# Debian ships llhttp as the generated C of node-llhttp; it is compiled where it lies, with its own warnings.
set(LLHTTP_SOURCE_DIR "/usr/share/llhttp" CACHE PATH "llhttp's C sources")
set(LLHTTP_INCLUDE_DIR "/usr/share/include/llhttp" CACHE PATH "llhttp's header")
file(GLOB LLHTTP_SOURCES "${LLHTTP_SOURCE_DIR}/*.c")
if(NOT LLHTTP_SOURCES)
    message(FATAL_ERROR "llhttp's sources are missing (package node-llhttp): run scripts/install.sh build")
endif()
add_library(llhttp STATIC ${LLHTTP_SOURCES})
target_include_directories(llhttp SYSTEM PUBLIC "${LLHTTP_INCLUDE_DIR}")
target_compile_definitions(llhttp PUBLIC LLHTTP_STRICT_MODE=1) # loose mode skips bytes unseen where CRLF must be
target_compile_options(llhttp PRIVATE -w)

add_library(duckdb SHARED IMPORTED)
set_target_properties(duckdb PROPERTIES IMPORTED_LOCATION "${LH_DEPS_DIR}/duckdb/libduckdb.so"
                                        IMPORTED_SONAME libduckdb.so
                                        INTERFACE_INCLUDE_DIRECTORIES "${LH_DEPS_DIR}/duckdb")
set(LH_HAVE_DUCKDB FALSE)
if(EXISTS "${LH_DEPS_DIR}/duckdb/libduckdb.so" AND EXISTS "${LH_DEPS_DIR}/duckdb/duckdb.h")
    set(LH_HAVE_DUCKDB TRUE)
else()
    message(WARNING "${LH_DEPS_DIR}/duckdb is not there: no worker is built (run scripts/install.sh build)")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/packages/pinned.txt")
endif()

set(lh_third_party_of_base Threads::Threads OpenSSL::Crypto m)
set(lh_third_party_of_os Threads::Threads PkgConfig::SECCOMP)
set(lh_third_party_of_text "${STEMMER_LIBRARY}" m)
set(lh_third_party_of_search PkgConfig::ZSTD)
set(lh_third_party_of_net llhttp PkgConfig::LIBUV CURL::libcurl OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB)
set(lh_third_party_of_programs duckdb ZLIB::ZLIB PkgConfig::ZSTD Threads::Threads m)
