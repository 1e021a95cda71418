# The libraries below the library; each is linked PRIVATE by the one folder that uses it.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(dnnl CONFIG REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(Eigen3 3.4 CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
find_package(nlohmann_json 3.10 REQUIRED)
# The GNU OpenMP runtime, whose team oneDNN runs on: linked by name, since the compiler may not be GCC.
find_library(QUERN_GOMP NAMES gomp libgomp.so.1 REQUIRED
             PATH_SUFFIXES ../lib gcc/x86_64-linux-gnu/12)
