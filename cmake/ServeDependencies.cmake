# The libraries that quern::serve links and quern does not; installed, as Dependencies.cmake is, for who
# links the static component.
find_package(OpenSSL 1.1.1 QUIET)
quern_need("${OPENSSL_FOUND}" "OpenSSL" libssl-dev)
find_package(SQLite3 3.35 QUIET)
quern_need("${SQLite3_FOUND}" "SQLite" libsqlite3-dev)

# Debian has cpp-httplib as a compiled library, found through pkg-config; vcpkg and Conan with a CMake package.
if(NOT TARGET quern::httplib)
  add_library(quern::httplib INTERFACE IMPORTED)
  find_package(httplib CONFIG QUIET)
  if(httplib_FOUND)
    target_link_libraries(quern::httplib INTERFACE httplib::httplib)
  else()
    pkg_check_modules(httplib QUIET IMPORTED_TARGET cpp-httplib)
    quern_need("${httplib_FOUND}" "cpp-httplib" libcpp-httplib-dev)
    target_link_libraries(quern::httplib INTERFACE PkgConfig::httplib)
  endif()
endif()
