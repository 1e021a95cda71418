# What `cmake --install` puts where: the library with its CMake package and pkg-config file, the
# headers. (A program installs itself: quern_program.)
include(CMakePackageConfigHelpers)

# quern_install(TARGET [COMPONENT name]): under a COMPONENT, installed only where that is asked for.
function(quern_install target)
  cmake_parse_arguments(arg "" "COMPONENT" "" ${ARGN})
  set(where COMPONENT quern)
  if(arg_COMPONENT)
    set(where COMPONENT ${arg_COMPONENT} EXCLUDE_FROM_ALL)
  endif()
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/quern)
  set(generated ${PROJECT_BINARY_DIR}/package/${target})

  install(TARGETS ${target} EXPORT ${target}Targets LIBRARY ${where} ARCHIVE ${where})
  install(EXPORT ${target}Targets FILE quernTargets.cmake NAMESPACE quern:: DESTINATION ${package_dir} ${where})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/quern DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} ${where}
          PATTERN serve* EXCLUDE)

  get_target_property(type ${target} TYPE)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/quernConfig.cmake.in
                                ${generated}/quernConfig.cmake INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(${generated}/quernConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${generated}/quernConfig.cmake ${generated}/quernConfigVersion.cmake DESTINATION ${package_dir} ${where})

  if(type STREQUAL STATIC_LIBRARY)
    install(FILES ${PROJECT_SOURCE_DIR}/cmake/Dependencies.cmake DESTINATION ${package_dir}
            RENAME quernDependencies.cmake ${where})
  endif()
  file(RELATIVE_PATH include_from_lib /${CMAKE_INSTALL_LIBDIR} /${CMAKE_INSTALL_INCLUDEDIR})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/quern.pc.in ${generated}/quern.pc @ONLY)
  install(FILES ${generated}/quern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig ${where})
endfunction()

# quern_install_component(TARGET NAME [COMPONENT name]): a library on top of quern, its headers, and what
# find_package(quern COMPONENTS NAME) then includes.
function(quern_install_component target name)
  cmake_parse_arguments(arg "" "COMPONENT" "" ${ARGN})
  set(where COMPONENT quern)
  if(arg_COMPONENT)
    set(where COMPONENT ${arg_COMPONENT} EXCLUDE_FROM_ALL)
  endif()
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/quern)

  install(TARGETS ${target} EXPORT ${target}Targets LIBRARY ${where} ARCHIVE ${where})
  install(EXPORT ${target}Targets FILE quern-${name}Targets.cmake NAMESPACE quern::
          DESTINATION ${package_dir} ${where})
  set(include ${PROJECT_SOURCE_DIR}/include)
  file(GLOB headers RELATIVE ${include} CONFIGURE_DEPENDS ${include}/quern/${name}.h ${include}/quern/${name}/*.h)
  foreach(header IN LISTS headers)
    get_filename_component(folder ${header} DIRECTORY)
    install(FILES ${include}/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder} ${where})
  endforeach()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL STATIC_LIBRARY)
    install(FILES ${PROJECT_SOURCE_DIR}/cmake/ServeDependencies.cmake DESTINATION ${package_dir}
            RENAME quern-${name}Dependencies.cmake ${where})
  endif()
endfunction()
