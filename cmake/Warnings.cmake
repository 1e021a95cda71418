# What every target of this project compiles with; nothing here reaches a consumer.
add_library(quern_warnings INTERFACE)
target_compile_features(quern_warnings INTERFACE cxx_std_20)
target_compile_options(quern_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       $<$<BOOL:${QUERN_WERROR}>:-Werror>)
