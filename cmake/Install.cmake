# What `cmake --install` puts where: the library with its CMake package and pkg-config file, the
# headers. (A program installs itself: quern_program.)
include(CMakePackageConfigHelpers)

# quern_install_pc(TARGET PACKAGE [DESCRIPTION text] [REQUIRES package...] [REQUIRES_PRIVATE package...]
#                  [LIBS_PRIVATE flag...] [WHERE option...])
#
# PACKAGE.pc of a library. What a static one links is for its users to link too; pkg-config looks for all that a
# file names, so that of a shared one names nothing of it.
function(quern_install_pc target package)
  cmake_parse_arguments(arg "" "DESCRIPTION" "REQUIRES;REQUIRES_PRIVATE;LIBS_PRIVATE;WHERE" ${ARGN})
  set(description ${arg_DESCRIPTION})
  get_target_property(library ${target} OUTPUT_NAME)
  get_target_property(type ${target} TYPE)
  file(RELATIVE_PATH include_from_lib /${CMAKE_INSTALL_LIBDIR} /${CMAKE_INSTALL_INCLUDEDIR})
  set(requires "")
  set(libs_private "")
  if(arg_REQUIRES)
    list(JOIN arg_REQUIRES ", " names)
    string(APPEND requires "Requires: ${names}\n")
  endif()
  if(type STREQUAL STATIC_LIBRARY)
    list(JOIN arg_REQUIRES_PRIVATE ", " names)
    string(APPEND requires "Requires.private: ${names}\n")
    list(JOIN arg_LIBS_PRIVATE " " flags)
    string(APPEND libs_private "Libs.private: ${flags}\n")
  endif()
  set(generated ${PROJECT_BINARY_DIR}/package/${target}/${package}.pc)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/quern.pc.in ${generated} @ONLY)
  install(FILES ${generated} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig ${arg_WHERE})
endfunction()

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
  set(image_modules "")
  foreach(format IN LISTS QUERN_IMAGE_FORMATS)
    foreach(module IN LISTS quern_modules_${format})
      string(REPLACE ">=" " >= " module ${module})
      list(APPEND image_modules ${module})
    endforeach()
  endforeach()
  quern_install_pc(${target} quern DESCRIPTION ${PROJECT_DESCRIPTION}
                   REQUIRES_PRIVATE fmt libhwy libpcre2-8 libutf8proc libjpeg libpng ${image_modules}
                   LIBS_PRIVATE -ldnnl -lgomp -pthread WHERE ${where})
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} ${where})
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
  quern_install_pc(${target} quern-${name} DESCRIPTION "quern::${name}, a part of quern"
                   REQUIRES "quern = ${PROJECT_VERSION}" REQUIRES_PRIVATE fmt openssl sqlite3 cpp-httplib
                   LIBS_PRIVATE -pthread WHERE ${where})
endfunction()
