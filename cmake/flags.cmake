# Language, warnings, sanitizers, hardening. Everything of ours links lh_flags; third-party sources do not.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")

add_library(lh_flags INTERFACE)
target_compile_definitions(lh_flags INTERFACE _GNU_SOURCE $<$<BOOL:${LH_FAULTS}>:LH_FAULTS=1>)
target_include_directories(lh_flags INTERFACE "${CMAKE_SOURCE_DIR}/src" "${CMAKE_BINARY_DIR}/gen")

# -Wpedantic is left out: it cannot be told to accept statement expressions, which LH_TRY needs.
set(LH_WARNINGS -Wall -Wextra -Wshadow -Wvla -Wcast-qual -Wundef -Wformat=2 -Wimplicit-fallthrough
                -Wdouble-promotion -Wpointer-arith -Wwrite-strings
                -Wno-missing-field-initializers) # a row of a table names what it needs
set(LH_WARNINGS_C -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes
                  -Wold-style-definition)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # -Wno-psabi: a note on how old gcc passed wide vectors; ours are passed inside one file only.
    list(APPEND LH_WARNINGS -Wlogical-op -Wduplicated-cond -Wno-psabi)
    if(NOT LH_SANITIZE AND NOT LH_COVERAGE)
        list(APPEND LH_WARNINGS -Wnull-dereference)
    else()
        list(APPEND LH_WARNINGS -Wno-maybe-uninitialized) # both see ghosts in instrumented code
    endif()
endif()
if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
    # lh_assert(!"why this cannot be"); "\xa9" "e" keeps the escape from eating the e
    list(APPEND LH_WARNINGS_C -Wno-string-conversion -Wno-string-concatenation)
endif()
if(LH_WERROR)
    list(APPEND LH_WARNINGS -Werror)
endif()
target_compile_options(lh_flags INTERFACE ${LH_WARNINGS} "$<$<COMPILE_LANGUAGE:C>:${LH_WARNINGS_C}>"
                                          -fno-common)
if(NOT LH_COVERAGE) # gcov must find the sources
    add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
endif()
add_link_options(LINKER:--as-needed)

if(LH_SANITIZE)
    add_compile_options("-fsanitize=${LH_SANITIZE}" -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options("-fsanitize=${LH_SANITIZE}")
endif()
if(LH_COVERAGE)
    add_compile_options(--coverage -fprofile-abs-path)
    add_link_options(--coverage)
endif()

if(LH_HARDEN)
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
                        -fstack-clash-protection -ftrivial-auto-var-init=zero)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        add_compile_options(-fcf-protection=full)
    endif()
    if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 16)
        add_compile_options(-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
    endif()
    add_link_options(LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
    include(CheckPIESupported)
    check_pie_supported(LANGUAGES C CXX)
    include(CheckIPOSupported)
    check_ipo_supported(RESULT LH_IPO OUTPUT LH_IPO_WHY LANGUAGES C)
    if(LH_IPO)
        set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    else()
        message(STATUS "no link-time optimisation: ${LH_IPO_WHY}")
    endif()
    if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
        add_link_options(-fuse-ld=lld)
    endif()
endif()

# What `lakehouse version` says: gen/build_info.h, written when configuring (a release also after each commit).
find_package(Git QUIET)
set(LH_COMMIT "unknown")
if(GIT_FOUND AND EXISTS "${CMAKE_SOURCE_DIR}/.git")
    execute_process(COMMAND "${GIT_EXECUTABLE}" -C "${CMAKE_SOURCE_DIR}" rev-parse --short=12 HEAD
                    OUTPUT_VARIABLE LH_COMMIT_FOUND OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                    RESULT_VARIABLE LH_COMMIT_RC)
    if(LH_COMMIT_RC EQUAL 0)
        set(LH_COMMIT "${LH_COMMIT_FOUND}")
    endif()
    if(LH_HARDEN AND EXISTS "${CMAKE_SOURCE_DIR}/.git/logs/HEAD")
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/.git/logs/HEAD")
    endif()
endif()
file(STRINGS "${CMAKE_SOURCE_DIR}/packages/pinned.txt" LH_DUCKDB_PIN REGEX "^archive duckdb-header ")
string(REGEX REPLACE "^archive duckdb-header [^ ]+ [^ ]+ ([^ ]+) .*$" "\\1" LH_DUCKDB_VERSION "${LH_DUCKDB_PIN}")
if(LH_HARDEN)
    set(LH_BUILD_KIND "release")
elseif(LH_SANITIZE)
    set(LH_BUILD_KIND "dev, ${LH_SANITIZE}")
else()
    set(LH_BUILD_KIND "dev")
endif()
configure_file("${CMAKE_SOURCE_DIR}/cmake/build_info.h.in" "${CMAKE_BINARY_DIR}/gen/build_info.h")
