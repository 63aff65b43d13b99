# The two programs. The server never links DuckDB; the worker finds it beside itself or in deps/.
if(EXISTS "${CMAKE_SOURCE_DIR}/src/main.c")
    add_executable(lakehouse src/main.c)
    target_link_libraries(lakehouse PRIVATE lh_flags)
    if(TARGET lh_cli)
        target_link_libraries(lakehouse PRIVATE lh_cli)
    endif()
    if(NOT LH_SANITIZE)
        target_link_options(lakehouse PRIVATE -static-libstdc++ -static-libgcc)
    endif()
endif()

if(TARGET lh_programs AND EXISTS "${CMAKE_SOURCE_DIR}/src/worker/programs/main.c")
    add_executable(lakehouse-worker src/worker/programs/main.c)
    target_link_libraries(lakehouse-worker PRIVATE lh_flags lh_programs)
    # deps/ while in the work tree; ../lib/lakehouse after `make install`.
    set_target_properties(lakehouse-worker PROPERTIES
        BUILD_RPATH "$ORIGIN/../../../deps/duckdb;${LH_DEPS_DIR}/duckdb"
        INSTALL_RPATH "$ORIGIN/../lib/lakehouse")
    if(TARGET lakehouse)
        add_dependencies(lakehouse lakehouse-worker)
    endif()
endif()

add_custom_target(programs)
foreach(program IN ITEMS lakehouse lakehouse-worker)
    if(TARGET ${program})
        add_dependencies(programs ${program})
    endif()
endforeach()
