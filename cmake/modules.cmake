# Every folder src/NAME with sources becomes the static library lh_NAME; tools/layers.txt says what it links.
set(LH_LAYERS_FILE "${CMAKE_SOURCE_DIR}/tools/layers.txt")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${LH_LAYERS_FILE}")

# Files named for an instruction set are compiled for it and entered only after a look at the CPU.
function(lh_simd_flags)
    foreach(source IN LISTS ARGN)
        if(source MATCHES "_avx2\\.c$")
            set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS
                                        "-mavx2;-mfma;-mbmi2;-mf16c")
        elseif(source MATCHES "_avx512\\.c$")
            set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS
                "-mavx2;-mfma;-mbmi2;-mf16c;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512vnni;-mavx512bf16")
            set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS -mavx512vbmi)
            # Without optimising, the compiler's own intrinsics are macros that convert signs.
            if(LH_COVERAGE)
                set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS -Wno-sign-conversion)
            endif()
            # gcc's fake stack frames are aligned to 32 bytes, a spilled 512-bit register needs 64
            # (gcc bug 110027): with detect_stack_use_after_return the sanitized kernel would fault.
            if(LH_SANITIZE MATCHES "address" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
                set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS
                             --param=asan-use-after-return=0)
            endif()
        elseif(source MATCHES "/toml\\.cc$")
            set_source_files_properties("${source}" PROPERTIES
                COMPILE_OPTIONS "-fno-rtti;-fno-exceptions;-O1;-Wno-null-dereference"
                COMPILE_DEFINITIONS TOML_EXCEPTIONS=0)
        endif()
        # A score's bits must not depend on the instruction set.
        if(source MATCHES "/text/text_kernels_")
            set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS "-ffp-contract=off")
        endif()
        # A vector's bits are part of an index's identity: fused only where the code says so.
        if(source MATCHES "/embed/kernels_|/vector/")
            set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS "-ffp-contract=off")
        endif()
    endforeach()
endfunction()

# lh_module(NAME DEP...): skipped in silence while the folder has no sources; appears with its first file.
function(lh_module name)
    set(folder "${CMAKE_SOURCE_DIR}/src/${name}")
    if(name STREQUAL "programs")
        set(folder "${CMAKE_SOURCE_DIR}/src/worker/programs")
    endif()
    file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.c" "${folder}/*.cc")
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    if(NOT sources OR (name STREQUAL "programs" AND NOT LH_HAVE_DUCKDB))
        return()
    endif()
    add_library(lh_${name} STATIC ${sources})
    lh_simd_flags(${sources})
    target_link_libraries(lh_${name} PRIVATE lh_flags)
    foreach(dep IN LISTS ARGN)
        if(TARGET lh_${dep})
            target_link_libraries(lh_${name} PUBLIC lh_${dep})
        endif()
    endforeach()
    if(lh_third_party_of_${name})
        target_link_libraries(lh_${name} PUBLIC ${lh_third_party_of_${name}})
    endif()
    set_property(GLOBAL APPEND PROPERTY LH_MODULES lh_${name})
endfunction()

file(STRINGS "${LH_LAYERS_FILE}" layer_lines REGEX "^[a-z]+:")
foreach(line IN LISTS layer_lines)
    string(REGEX MATCH "^([a-z]+):(.*)$" matched "${line}")
    set(layer_name "${CMAKE_MATCH_1}")
    string(REGEX MATCHALL "[a-z]+" layer_deps "${CMAKE_MATCH_2}")
    lh_module(${layer_name} ${layer_deps})
endforeach()

if(TARGET lh_base)
    target_include_directories(lh_base SYSTEM PRIVATE "${TOMLPLUSPLUS_INCLUDE_DIR}" "${XXHASH_INCLUDE_DIR}")
endif()

# Tests, fuzzers and benches may ask for more than their module: a comment "links: storage programs" in a file.
function(lh_links_asked ret_targets)
    set(targets)
    foreach(source IN LISTS ARGN)
        file(STRINGS "${source}" asked REGEX "links:( [a-z]+)+" LIMIT_COUNT 1)
        if(asked)
            string(REGEX REPLACE ".*links:(( [a-z]+)+).*" "\\1" asked "${asked}")
            string(REGEX MATCHALL "[a-z]+" names "${asked}")
            foreach(asked_name IN LISTS names)
                if(TARGET lh_${asked_name})
                    list(APPEND targets lh_${asked_name})
                elseif(NOT asked_name STREQUAL "programs")
                    message(FATAL_ERROR "${source}: links: no module ${asked_name}")
                endif()
            endforeach()
        endif()
    endforeach()
    set(${ret_targets} ${targets} PARENT_SCOPE)
endfunction()
