# `make install PREFIX=...`: programs, the DuckDB library, the model, the service and the manual page.
include(GNUInstallDirs)
if(TARGET lakehouse)
    install(TARGETS lakehouse RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
if(TARGET lakehouse-worker)
    install(TARGETS lakehouse-worker RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
install(FILES "${LH_DEPS_DIR}/duckdb/libduckdb.so" DESTINATION lib/lakehouse OPTIONAL
        PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
install(DIRECTORY "${LH_DEPS_DIR}/model" DESTINATION "${CMAKE_INSTALL_DATADIR}/lakehouse" OPTIONAL)
# The prefix is known only now: `cmake --install --prefix` may differ from what was configured.
install(CODE "configure_file(\"${CMAKE_SOURCE_DIR}/packaging/lakehouse.service.in\"
                             \"${CMAKE_BINARY_DIR}/gen/lakehouse.service\" @ONLY)")
install(FILES "${CMAKE_BINARY_DIR}/gen/lakehouse.service" DESTINATION lib/systemd/system)
install(FILES "${CMAKE_SOURCE_DIR}/packaging/lakehouse.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
install(FILES "${CMAKE_SOURCE_DIR}/packaging/lakehouse.toml" DESTINATION "${CMAKE_INSTALL_DATADIR}/lakehouse")
