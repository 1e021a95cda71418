# The libraries that quern links, each used by the one folder that src/README.md names. Installed
# beside quernConfig.cmake too: who links the static library finds them by these same lines, and what to
# do without one is for the file that includes this to say.

# quern_need(FOUND what package): where it is not, ends the file that calls, and leaves in QUERN_MISSING what
# it needs, and which Debian package has it.
macro(quern_need found what package)
  set(quern_found "${found}")
  if(NOT quern_found)
    set(QUERN_MISSING "quern needs ${what}, which was not found: on Debian, apt-get install ${package}")
    return()
  endif()
endmacro()
unset(QUERN_MISSING)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads QUIET)
quern_need("${Threads_FOUND}" "POSIX threads" libc6-dev)

find_package(fmt CONFIG QUIET)
quern_need("${fmt_FOUND}" "fmt" libfmt-dev)

# A shared oneDNN is taken as it is: the CMake package that Debian 12 has for it asks for OpenCL,
# which nothing here uses. A static one (vcpkg's) comes with what it links.
if(NOT TARGET DNNL::dnnl)
  find_path(QUERN_DNNL_INCLUDE oneapi/dnnl/dnnl.hpp)
  find_library(QUERN_DNNL_LIBRARY dnnl)
  mark_as_advanced(QUERN_DNNL_INCLUDE QUERN_DNNL_LIBRARY)
  if(QUERN_DNNL_INCLUDE AND QUERN_DNNL_LIBRARY MATCHES "[.](so|dylib)$")
    add_library(DNNL::dnnl SHARED IMPORTED)
    set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${QUERN_DNNL_LIBRARY}
                          INTERFACE_INCLUDE_DIRECTORIES ${QUERN_DNNL_INCLUDE})
  else()
    find_package(dnnl CONFIG QUIET)
    quern_need("${dnnl_FOUND}" "oneDNN 2.6 or later" libdnnl-dev)
  endif()
endif()

# The GNU OpenMP runtime, which oneDNN is built for: linked by name and not by -fopenmp, for which
# Clang would take a runtime of its own.
if(NOT TARGET quern::gomp)
  find_library(QUERN_GOMP NAMES gomp libgomp.so.1 HINTS ${CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES})
  mark_as_advanced(QUERN_GOMP)
  quern_need("${QUERN_GOMP}" "the GNU OpenMP runtime (libgomp)" libgomp1)
  add_library(quern::gomp INTERFACE IMPORTED)
  target_link_libraries(quern::gomp INTERFACE ${QUERN_GOMP})
endif()

find_package(PkgConfig QUIET)
quern_need("${PKG_CONFIG_FOUND}" "pkg-config" pkg-config)
pkg_check_modules(hwy QUIET IMPORTED_TARGET libhwy)
quern_need("${hwy_FOUND}" "Highway" libhwy-dev)
pkg_check_modules(pcre2 QUIET IMPORTED_TARGET libpcre2-8)
quern_need("${pcre2_FOUND}" "PCRE2" libpcre2-dev)
pkg_check_modules(utf8proc QUIET IMPORTED_TARGET libutf8proc)
quern_need("${utf8proc_FOUND}" "utf8proc" libutf8proc-dev)
pkg_check_modules(jpeg QUIET IMPORTED_TARGET libjpeg)
quern_need("${jpeg_FOUND}" "libjpeg-turbo" libjpeg62-turbo-dev)
pkg_check_modules(png QUIET IMPORTED_TARGET libpng)
quern_need("${png_FOUND}" "libpng" libpng-dev)

# Formats of images that are read where their library is found when quern is configured. Who links the
# static library finds those that it was built with.
set(quern_modules_webp libwebp libwebpdemux)
set(quern_modules_tiff libtiff-4>=4.5)
set(quern_modules_jpeg2000 libopenjp2>=2.4)
set(quern_package_webp libwebp-dev)
set(quern_package_tiff libtiff-dev)
set(quern_package_jpeg2000 libopenjp2-7-dev)
foreach(format IN ITEMS webp tiff jpeg2000)
  if(DEFINED QUERN_BUILT_WITH_FORMATS)
    set(wanted OFF)
    if(format IN_LIST QUERN_BUILT_WITH_FORMATS)
      set(wanted ON)
    endif()
  else()
    string(TOUPPER ${format} option)
    set(QUERN_${option} AUTO CACHE STRING "Read images of this format: ON, OFF, or AUTO where its library is found")
    set_property(CACHE QUERN_${option} PROPERTY STRINGS AUTO ON OFF)
    set(wanted ${QUERN_${option}})
  endif()
  if(wanted)
    pkg_check_modules(${format} QUIET IMPORTED_TARGET ${quern_modules_${format}})
    if(NOT wanted STREQUAL AUTO)
      quern_need("${${format}_FOUND}" "${quern_modules_${format}}" "${quern_package_${format}}")
    endif()
    if(${format}_FOUND)
      list(APPEND QUERN_IMAGE_FORMATS ${format})
      list(APPEND QUERN_IMAGE_LIBRARIES PkgConfig::${format})
    endif()
  endif()
endforeach()
