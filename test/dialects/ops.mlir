// Every operation and attribute of the dialect, from pretty to generic form and back.
// RUN: dycl-opt %s | FileCheck %s
// RUN: dycl-opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC
// RUN: dycl-opt %s --mlir-print-op-generic | dycl-opt | FileCheck %s

// CHECK-LABEL: module @net
module @net {
  // The host program keeps the names of its arguments, and attributes of results.
  // CHECK: dycl.program @main(%[[X:.+]]: tensor<4xf32> {dycl.name = "x"}, %[[Y:.+]]: tensor<?xi64>) -> (tensor<8xf32>, tensor<?xi64>) {
  // GENERIC: "dycl.program"() <{arg_attrs = [{dycl.name = "x"}, {}], function_type = (tensor<4xf32>, tensor<?xi64>) -> (tensor<8xf32>, tensor<?xi64>), sym_name = "main"}> ({
  dycl.program @main(%x: tensor<4xf32> {dycl.name = "x"}, %y: tensor<?xi64>) -> (tensor<8xf32>, tensor<?xi64>) {
    // CHECK: %[[R:.+]]:2 = dycl.invoke @region_0(%[[X]]) : (tensor<4xf32>) -> (tensor<8xf32>, i1)
    // GENERIC: "dycl.invoke"(%{{.+}}) <{callee = @region_0}> : (tensor<4xf32>) -> (tensor<8xf32>, i1)
    %0:2 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> (tensor<8xf32>, i1)
    // CHECK: dycl.invoke @region_1() : () -> ()
    dycl.invoke @region_1() : () -> ()
    // CHECK: dycl.return %[[R]]#0, %[[Y]] : tensor<8xf32>, tensor<?xi64>
    dycl.return %0#0, %y : tensor<8xf32>, tensor<?xi64>
  }

  // CHECK: dycl.region @region_0 : (tensor<4xf32>) -> (tensor<8xf32>, i1) {affinity = "gpu", cost = #dycl.cost<flops = 12, bytes = 34>, module = @region_0_module, parameters = ["a.b", "a.c"], target = "llvm-cpu"}
  dycl.region @region_0 : (tensor<4xf32>) -> (tensor<8xf32>, i1)
      {cost = #dycl.cost<flops = 12, bytes = 34>, module = @region_0_module, parameters = ["a.b", "a.c"],
       target = "llvm-cpu", affinity = "gpu"}
  module @region_0_module {
    func.func @region_0(%x: tensor<4xf32>) -> (tensor<8xf32>, i1) {
      // torch-mlir writes a parameter in generic form.
      // CHECK: dycl.parameter "a.b" : tensor<8xf32>
      // GENERIC: "dycl.parameter"() <{key = "a.b"}> : () -> tensor<8xf32>
      %w = "dycl.parameter"() <{key = "a.b"}> : () -> tensor<8xf32>
      // CHECK: dycl.parameter "a.c" : tensor<i1>
      %f = dycl.parameter "a.c" : tensor<i1>
      %p = tensor.extract %f[] : tensor<i1>
      return %w, %p : tensor<8xf32>, i1
    }
  }
  // Before partitioning, a region is a function, with its cost and its device.
  // CHECK: func.func private @region_1() attributes {dycl.affinity = "vulkan", dycl.cost = #dycl.cost<flops = 0, bytes = 0>}
  func.func private @region_1() attributes {dycl.affinity = "vulkan", dycl.cost = #dycl.cost<flops = 0, bytes = 0>} {
    return
  }

  // A program on several devices has a home, and copies tensors between them.
  // CHECK: dycl.program @placed(%[[A:.+]]: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {home = "llvm-cpu"} {
  // GENERIC: "dycl.program"() <{function_type = (tensor<?x4xf32>) -> tensor<?x4xf32>, home = "llvm-cpu", sym_name = "placed"}>
  dycl.program @placed(%a: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {home = "llvm-cpu"} {
    // CHECK: %[[T:.+]] = dycl.transfer %[[A]] from "llvm-cpu" to "vulkan" : tensor<?x4xf32>
    // GENERIC: "dycl.transfer"(%{{.+}}) <{from = "llvm-cpu", to = "vulkan"}> : (tensor<?x4xf32>) -> tensor<?x4xf32>
    %0 = dycl.transfer %a from "llvm-cpu" to "vulkan" : tensor<?x4xf32>
    // CHECK: dycl.transfer %[[T]] from "vulkan" to "llvm-cpu" : tensor<?x4xf32>
    %1 = dycl.transfer %0 from "vulkan" to "llvm-cpu" : tensor<?x4xf32>
    dycl.return %1 : tensor<?x4xf32>
  }
}
