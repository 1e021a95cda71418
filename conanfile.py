"""Conan 2 recipe. Conan Center has no oneDNN: the system's is used, found as the build always does."""

import re

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load
from conan.tools.gnu import PkgConfigDeps


class QuernConan(ConanFile):
    name = "quern"
    description = "Embeddable C++20 inference library: ONNX, GGUF and safetensors without conversion"
    license = "Apache-2.0"
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False], "cli": [True, False],
               "serve": [True, False], "image_formats": [True, False]}
    default_options = {"shared": False, "fPIC": True, "cli": False, "serve": False,
                       "image_formats": True}
    implements = ["auto_shared_fpic"]
    exports_sources = "CMakeLists.txt", "cmake/*", "include/*", "src/*", "LICENSE"

    def set_version(self):
        header = load(self, "include/quern/version.h")
        self.version = re.search(r'QUERN_VERSION "([^"]+)"', header)[1]

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        self.requires("fmt/[>=9 <12]")
        self.requires("highway/[>=1.0.3 <2]")
        self.requires("pcre2/[>=10.40 <11]")
        self.requires("utf8proc/[>=2.8 <3]")
        self.requires("eigen/[>=3.4 <6]", visible=False)
        self.requires("nlohmann_json/[>=3.10 <4]", visible=False)
        self.requires("protozero/[>=1.7 <2]", visible=False)
        self.requires("libjpeg-turbo/[>=2.1 <4]")
        self.requires("libpng/[>=1.6.39 <2]")
        if self.options.image_formats:
            self.requires("libwebp/[>=1.2.4 <2]")
            self.requires("libtiff/[>=4.5 <5]")
            self.requires("openjpeg/[>=2.5 <3]")
        if self.options.cli:
            self.requires("cli11/[>=2.1 <3]", visible=False)
        if self.options.serve:
            self.requires("cpp-httplib/[>=0.11 <1]")
            self.requires("openssl/[>=1.1.1 <4]")
            self.requires("sqlite3/[>=3.35 <4]")

    def build_requirements(self):
        self.tool_requires("cmake/[>=3.22 <5]")
        self.tool_requires("pkgconf/[>=2 <3]")

    def generate(self):
        CMakeDeps(self).generate()
        PkgConfigDeps(self).generate()
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["QUERN_BUILD_CLI"] = bool(self.options.cli)
        toolchain.cache_variables["QUERN_BUILD_SERVE"] = bool(self.options.serve)
        toolchain.cache_variables["QUERN_BUILD_TESTS"] = False
        toolchain.cache_variables["QUERN_BUILD_EXAMPLES"] = False
        for image_format in ("WEBP", "TIFF", "JPEG2000"):
            toolchain.cache_variables[f"QUERN_{image_format}"] = bool(self.options.image_formats)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, f"{self.package_folder}/licenses")

    def package_info(self):
        core = self.cpp_info.components["core"]
        core.libs = ["quern"]
        core.requires = ["fmt::fmt", "highway::highway", "pcre2::pcre2", "utf8proc::utf8proc",
                         "libjpeg-turbo::libjpeg-turbo", "libpng::libpng"]
        if self.options.image_formats:
            core.requires += ["libwebp::libwebp", "libtiff::libtiff", "openjpeg::openjpeg"]
        core.system_libs = ["dnnl", "gomp", "pthread"]
        core.set_property("cmake_target_name", "quern::quern")
        if self.options.serve:
            serve = self.cpp_info.components["serve"]
            serve.libs = ["quern_serve"]
            serve.requires = ["core", "cpp-httplib::cpp-httplib", "openssl::openssl", "sqlite3::sqlite3"]
            serve.set_property("cmake_target_name", "quern::serve")
