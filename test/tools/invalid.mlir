// RUN: not dycl-translate --dycl-to-python -split-input-file %s 2>&1 | FileCheck %s
// RUN: not dycl-translate --dycl-to-json -split-input-file %s 2>&1 | FileCheck %s

// CHECK: :[[#@LINE+1]]:1: error: holds 0 programs; expected one dycl.program
module {}

// -----

dycl.program @main() {
  // CHECK: error: calls @region_0, which is not partitioned; run dycl-opt --dycl-partition-pipeline first
  dycl.invoke @region_0() : () -> ()
  dycl.return
}
func.func private @region_0()
