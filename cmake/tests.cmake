# tests/unit/<module>/*_test.c -> bin/unit_<module>; tests/fuzz/fuzz_<name>.c -> bin/fuzz_<name>.
set(LH_TEST_ENV
    "LH_BIN_DIR=${CMAKE_BINARY_DIR}/bin"
    "LH_TEST_DATA=${CMAKE_SOURCE_DIR}/tests/data"
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tools/tsan.supp:halt_on_error=1")
if(LH_SANITIZE MATCHES "thread")
    list(APPEND LH_TEST_ENV "CK_FORK=no") # TSan cannot follow a fork of a threaded process
endif()

add_library(lh_test_flags INTERFACE)
target_link_libraries(lh_test_flags INTERFACE lh_flags)
target_include_directories(lh_test_flags INTERFACE "${CMAKE_SOURCE_DIR}/tests")
# Check's macros widen every integer to intmax_t; the conversion warnings there say nothing about us.
target_compile_options(lh_test_flags INTERFACE -Wno-conversion -Wno-sign-conversion -Wno-missing-prototypes)

file(GLOB support_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/support/*.c")
list(FILTER support_sources EXCLUDE REGEX "_main\\.c$")
if(support_sources)
    add_library(lh_test_support STATIC ${support_sources})
    target_link_libraries(lh_test_support PRIVATE lh_test_flags)
endif()

get_property(LH_ALL_MODULES GLOBAL PROPERTY LH_MODULES)
set(LH_SERVER_MODULES ${LH_ALL_MODULES})
list(REMOVE_ITEM LH_SERVER_MODULES lh_programs)

# lh_test_program(NAME SOURCE... LINKS TARGET...): shared settings of everything under tests/.
function(lh_test_program name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
    lh_links_asked(asked ${arg_SOURCES})
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE lh_test_flags)
    if(TARGET lh_test_support)
        target_link_libraries(${name} PRIVATE lh_test_support)
    endif()
    target_link_libraries(${name} PRIVATE ${asked} ${arg_LINKS})
    set_target_properties(${name} PROPERTIES BUILD_RPATH "${LH_DEPS_DIR}/duckdb"
                                             INTERPROCEDURAL_OPTIMIZATION OFF)
endfunction()

# The server with a second role (tests/gated/policy.c): its objects come before the library's, which
# then gives the linker nothing of the policy but the key file.
if(LH_TESTS AND TARGET lakehouse AND EXISTS "${CMAKE_SOURCE_DIR}/tests/gated/policy.c")
    add_executable(lakehouse-gated src/main.c tests/gated/policy.c)
    target_link_libraries(lakehouse-gated PRIVATE lh_flags lh_cli)
    set_target_properties(lakehouse-gated PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin/gated" OUTPUT_NAME lakehouse)
    add_custom_command(TARGET lakehouse-gated POST_BUILD COMMAND ${CMAKE_COMMAND} -E create_symlink
        ../lakehouse-worker "${CMAKE_BINARY_DIR}/bin/gated/lakehouse-worker" VERBATIM)
    add_dependencies(lakehouse-gated lakehouse-worker)
    add_dependencies(programs lakehouse-gated)
endif()

if(LH_TESTS)
    pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check)
    file(GLOB unit_files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/unit/*/*.c")
    set(unit_modules)
    foreach(file IN LISTS unit_files)
        get_filename_component(folder "${file}" DIRECTORY)
        get_filename_component(module "${folder}" NAME)
        list(APPEND unit_modules ${module})
        list(APPEND unit_files_of_${module} "${file}")
    endforeach()
    list(REMOVE_DUPLICATES unit_modules)
    foreach(module IN LISTS unit_modules)
        if(NOT TARGET lh_${module})
            message(STATUS "tests/unit/${module} waits for src/${module}")
            continue()
        endif()
        lh_test_program(unit_${module} SOURCES tests/support/unit_main.c ${unit_files_of_${module}}
                                       LINKS lh_${module} PkgConfig::CHECK)
        if(TARGET lakehouse-worker AND module MATCHES "worker|programs|ingest|query|search")
            add_dependencies(unit_${module} lakehouse-worker) # they talk to the real one
        endif()
        add_test(NAME unit_${module} COMMAND unit_${module} WORKING_DIRECTORY "${CMAKE_BINARY_DIR}")
        set_tests_properties(unit_${module} PROPERTIES LABELS unit TIMEOUT 600 ENVIRONMENT "${LH_TEST_ENV}")
    endforeach()
endif()

file(GLOB fuzz_files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c")
add_custom_target(fuzzers)
foreach(file IN LISTS fuzz_files)
    get_filename_component(fuzzer "${file}" NAME_WE)
    string(REGEX REPLACE "^fuzz_" "" short "${fuzzer}")
    file(STRINGS "${file}" wants_programs REGEX "links:.* programs" LIMIT_COUNT 1)
    if(wants_programs AND NOT TARGET lh_programs)
        continue()
    endif()
    lh_links_asked(modules "${file}")
    if(NOT modules)
        set(modules ${LH_SERVER_MODULES})
    endif()
    if(LH_FUZZ)
        lh_test_program(${fuzzer} SOURCES "${file}" LINKS ${modules})
        target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
    else()
        lh_test_program(${fuzzer} SOURCES "${file}" tests/support/fuzz_replay_main.c
                        LINKS ${modules})
        add_test(NAME ${fuzzer} COMMAND ${fuzzer} "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${short}")
        set_tests_properties(${fuzzer} PROPERTIES LABELS fuzz TIMEOUT 120 ENVIRONMENT "${LH_TEST_ENV}")
    endif()
    add_dependencies(fuzzers ${fuzzer})
endforeach()
