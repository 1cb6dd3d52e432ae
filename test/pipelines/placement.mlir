// From outlined IR to modules on two devices; the description says where each region runs; the VM host copies.
// RUN: dycl-opt %s --dycl-partition-pipeline="targets=llvm-cpu,vulkan place=region_1=vulkan" -o %t.mlir
// RUN: FileCheck %s --input-file=%t.mlir
// RUN: dycl-translate --dycl-to-json %t.mlir | FileCheck %s --check-prefix=JSON
// RUN: dycl-translate --dycl-to-python %t.mlir | FileCheck %s --check-prefix=PYTHON
// RUN: dycl-opt %t.mlir --dycl-host-pipeline | FileCheck %s --check-prefix=VM
// With a model that makes the GPU slow, everything is at home, and the VM host runs it.
// RUN: dycl-opt %s --dycl-partition-pipeline="targets=llvm-cpu,vulkan place-automatically models=vulkan=1:1:100:5:30" \
// RUN:   | dycl-opt --dycl-host-pipeline | FileCheck %s --check-prefix=HOST

// CHECK: dycl.program @main({{.*}}) -> tensor<4xf32> attributes {home = "llvm-cpu"}
// CHECK: dycl.transfer {{.*}} from "llvm-cpu" to "vulkan"
// CHECK: dycl.transfer {{.*}} from "vulkan" to "llvm-cpu"
// CHECK: dycl.region @region_0 : {{.*}} {affinity = "llvm-cpu", cost = {{.*}}, module = @region_0_module}
// CHECK: dycl.region @region_1 : {{.*}} {affinity = "vulkan", cost = {{.*}}, module = @region_1_module}
// CHECK: func.func @region_1(%{{.+}}: tensor<4xf32>) -> tensor<4xf32> {

// JSON: "home": "llvm-cpu",
// JSON: "affinity": "llvm-cpu",
// JSON: "affinity": "vulkan",

// The constant is made once on each device; the loop's value stays on the GPU, in a variable of its own name.
// PYTHON:      c0 = regions.constant(C0)
// PYTHON-NEXT: c1 = regions.constant(C0, "vulkan")
// PYTHON-NEXT: n0 = regions.region_0(x, c0)
// PYTHON-NEXT: v0 = regions.transfer(x, "llvm-cpu", "vulkan", "f32")
// PYTHON-NEXT: for i0 in decide(0, range(0, n0, 1)):
// PYTHON-NEXT:     v0 = regions.region_1(v0, c1)
// PYTHON-NEXT: v1 = regions.transfer(v0, "vulkan", "llvm-cpu", "f32")
// PYTHON-NEXT: return (v1,)

// VM-LABEL: func.func private @run(
// VM:         %[[X:.+]] = "util.call"(%{{.+}}) <{callee = @transfer_local_vulkan_1}>
// VM:         call @region_1_module.region_1(
// VM:         "util.call"(%{{.+}}) <{callee = @transfer_vulkan_local_1}>
// VM:         return

// HOST: func.func @main_recorded
dycl.program @main(%x: tensor<4xf32> {dycl.name = "x"}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %n = dycl.invoke @region_0(%x, %c) : (tensor<4xf32>, tensor<4xf32>) -> index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<4xf32>) {
    %1 = dycl.invoke @region_1(%a, %c) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  }
  dycl.return %0 : tensor<4xf32>
}
func.func private @region_0(%x: tensor<4xf32>, %y: tensor<4xf32>) -> index
    attributes {dycl.cost = #dycl.cost<flops = 4, bytes = 40>} {
  %c3 = arith.constant 3 : index
  return %c3 : index
}
func.func private @region_1(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32>
    attributes {dycl.cost = #dycl.cost<flops = 4, bytes = 48>} {
  %0 = arith.addf %x, %y : tensor<4xf32>
  return %0 : tensor<4xf32>
}
