# What an installation holds: libraries, headers, the program, hone.pc, and the CMake package. Every path in it is
# relative to where it lies, so the whole may be moved.
include(CMakePackageConfigHelpers)

install(TARGETS hone EXPORT hone-shared
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
install(TARGETS hone_static EXPORT hone-static
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/hone DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
    FILES_MATCHING PATTERN "*.h")
if(TARGET hone_cli)
    install(TARGETS hone_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
endif()
if(TARGET hone_worker)
    install(TARGETS hone_worker RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/hone COMPONENT runtime)
endif()
if(HONE_MODULES)
    install(TARGETS ${HONE_MODULES} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/${modules_in_libdir} COMPONENT runtime)
    install(TARGETS hone_probe RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/hone COMPONENT runtime)
endif()
# profiles of known kinds of machines, where there are any: the furthest layer (docs/profiles.md)
if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/profiles)
    install(DIRECTORY profiles/ DESTINATION ${CMAKE_INSTALL_DATADIR}/hone/profiles COMPONENT runtime
        FILES_MATCHING PATTERN "*.jsonl")
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)

# pkg-config
set(pc_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(pc_full ${CMAKE_INSTALL_PREFIX}/${pc_folder})
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${pc_full} OUTPUT_VARIABLE pc_libdir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR BASE_DIRECTORY ${pc_full} OUTPUT_VARIABLE pc_includedir)
configure_file(cmake/hone.pc.in hone.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/hone.pc DESTINATION ${pc_folder} COMPONENT development)

# CMake: hone::hone and hone::hone_static
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/hone)
install(EXPORT hone-shared NAMESPACE hone:: FILE hone-shared.cmake DESTINATION ${package_folder} COMPONENT development)
install(EXPORT hone-static NAMESPACE hone:: FILE hone-static.cmake DESTINATION ${package_folder} COMPONENT development)
configure_package_config_file(cmake/hone-config.cmake.in hone-config.cmake
    INSTALL_DESTINATION ${package_folder} NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(hone-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hone-config.cmake ${PROJECT_BINARY_DIR}/hone-config-version.cmake
    DESTINATION ${package_folder} COMPONENT development)
