# QUERN_SANITIZE=address,undefined or =thread: compiles and links everything under the sanitizers.
set(QUERN_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize takes them")
if(QUERN_SANITIZE)
  add_compile_options(-fsanitize=${QUERN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${QUERN_SANITIZE})
endif()
