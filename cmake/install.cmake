# cmake --install: the program, the small models, the library, its public headers and a CMake package.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(IXC_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/ixc)
set_target_properties(ixc_library PROPERTIES EXPORT_NAME ixc)
install(TARGETS ixc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ixc_library ixc_kernels ixc_options EXPORT ixcTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ixc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/ixc/models)
install(EXPORT ixcTargets NAMESPACE ixc:: DESTINATION ${IXC_CMAKE_DIR})
configure_package_config_file(cmake/ixcConfig.cmake.in ixcConfig.cmake
  INSTALL_DESTINATION ${IXC_CMAKE_DIR})
write_basic_package_version_file(ixcConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ixcConfig.cmake ${PROJECT_BINARY_DIR}/ixcConfigVersion.cmake
  DESTINATION ${IXC_CMAKE_DIR})
