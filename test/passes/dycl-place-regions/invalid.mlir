// What a rule, a target or a model may not be; the message lists what there is.
// RUN: not dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan rules=regin_1=vulkan" 2>&1 | FileCheck %s --check-prefix=REGION
// RUN: not dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan rules=region_1=cuda" 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not dycl-opt %s --dycl-place-regions="targets=llvm-cpu rules=region_1" 2>&1 | FileCheck %s --check-prefix=RULE
// RUN: not dycl-opt %s --dycl-place-regions="targets=llvm-cpu rules=[=llvm-cpu" 2>&1 | FileCheck %s --check-prefix=GLOB
// RUN: not dycl-opt %s --dycl-place-regions 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not dycl-opt %s --dycl-place-regions="targets=llvm-cpu models=llvm-cpu=1:2:3" 2>&1 | FileCheck %s --check-prefix=MODEL
// RUN: not dycl-opt %s --dycl-place-regions="targets=llvm-cpu models=llvm-cpu=1:2:3:x:5" 2>&1 | FileCheck %s --check-prefix=MODEL
// RUN: not dycl-opt %s --dycl-place-regions="targets=llvm-cpu models=gpu=1:2:3:4:5" 2>&1 | FileCheck %s --check-prefix=MODELED
// RUN: echo "module {}" | not dycl-opt --dycl-place-regions="targets=llvm-cpu" 2>&1 | FileCheck %s --check-prefix=PROGRAM

// REGION: error: 'regin_1' is no region; there are: region_0 (net.py:3), region_1
// TARGET: error: placement rule 'region_1=cuda' names the target 'cuda'; there are: llvm-cpu, vulkan
// RULE: error: placement rule 'region_1' is not PATTERN=TARGET
// GLOB: error: '[' is no pattern:
// NONE: error: no targets are given to place regions on
// MODEL: error: model '{{.*}}' is not TARGET=GFLOPS:GBPS:CALL_US:LINK_GBPS:LINK_US, all above 0
// MODELED: error: model 'gpu=1:2:3:4:5' names the target 'gpu'; there are: llvm-cpu
// PROGRAM: error: holds 0 programs; expected one dycl.program
dycl.program @main() {
  dycl.invoke @region_0() : () -> ()
  dycl.invoke @region_1() : () -> ()
  dycl.return
}
func.func private @region_0() loc("lib/net.py":3:1)
func.func private @region_1()
