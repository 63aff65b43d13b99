# bench/<name>.c -> build/<preset>/bench/<name>; linked with what "links:" asks, else every
# module of the server.
get_property(LH_BENCH_MODULES GLOBAL PROPERTY LH_MODULES)
list(REMOVE_ITEM LH_BENCH_MODULES lh_programs)
file(GLOB bench_files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/bench/*.c")
foreach(file IN LISTS bench_files)
    get_filename_component(name "${file}" NAME_WE)
    lh_links_asked(asked "${file}")
    if(NOT asked)
        set(asked ${LH_BENCH_MODULES})
    endif()
    add_executable(bench_${name} "${file}")
    target_link_libraries(bench_${name} PRIVATE lh_flags ${asked})
    target_include_directories(bench_${name} PRIVATE "${CMAKE_SOURCE_DIR}/bench")
    set_target_properties(bench_${name} PROPERTIES OUTPUT_NAME ${name}
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench" BUILD_RPATH "${LH_DEPS_DIR}/duckdb")
endforeach()
