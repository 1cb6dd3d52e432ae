// RUN: dycl-opt %s --dycl-convert-host -split-input-file | FileCheck %s

// Copies between a CPU and a GPU are calls of functions, one for each direction and rank.
// CHECK-LABEL: module @host
module @net {
  // Each device has its own constant, made at home and copied there on loading. A value that no path reads is one on the
  // device of the call that takes it, though both calls are given the same.
  // CHECK: "util.global"() <{sym_name = "[[$HOME_ZEROS:constant_[0-9]]]"
  // CHECK: "util.initializer"
  // CHECK-NOT: @transfer
  // CHECK: "util.global.store"(%{{.+}}) <{global = @[[$HOME_ZEROS]]}>
  // CHECK: "util.global"() <{sym_name = "[[$GPU_ZEROS:constant_[0-9]]]"
  // CHECK: %[[Z:.+]] = "hal.tensor.export"
  // CHECK: %[[GPU_Z:.+]] = "util.call"(%[[Z]]) <{callee = @transfer_local_vulkan_2}>
  // CHECK: "util.global.store"(%[[GPU_Z]]) <{global = @[[$GPU_ZEROS]]}>
  // CHECK: "util.global"() <{sym_name = "[[$GPU_C:constant_[0-9]]]"
  // CHECK: arith.constant dense<7.000000e+00> : tensor<2x3xf32>
  // CHECK: %[[GPU:.+]] = "util.call"(%{{.+}}) <{callee = @transfer_local_vulkan_2}>
  // CHECK: "util.global.store"(%[[GPU]]) <{global = @[[$GPU_C]]}>

  // CHECK-LABEL: func.func private @run(
  // CHECK-SAME: %[[X:.+]]: !hal.buffer_view, %[[LIST:.+]]: !util.list<i64>)
  // CHECK: %[[A:.+]]:2 = call @region_0_module.region_0(%[[X]])
  // CHECK: scf.if
  // CHECK:   %[[ON_GPU:.+]] = "util.call"(%[[A]]#0) <{callee = @transfer_local_vulkan_2}>
  // CHECK:   %[[C:.+]] = "util.global.load"() <{global = @[[$GPU_C]]}>
  // CHECK:   %[[B:.+]] = func.call @region_1_module.region_1(%[[ON_GPU]], %[[C]])
  // CHECK:   %[[BACK:.+]] = "util.call"(%[[B]]) <{callee = @transfer_vulkan_local_2}>
  // CHECK:   scf.yield %[[BACK]]
  // CHECK: } else {
  // CHECK:   %[[P:.+]] = "util.global.load"() <{global = @[[$GPU_ZEROS]]}>
  // CHECK:   %[[Q:.+]] = "util.global.load"() <{global = @[[$GPU_ZEROS]]}>
  // CHECK:   %[[R:.+]] = "util.global.load"() <{global = @[[$HOME_ZEROS]]}>
  // CHECK:   func.call @region_1_module.region_1(%[[Q]], %[[P]])
  // CHECK:   "util.call"(%{{.+}}) <{callee = @transfer_vulkan_local_2}>
  // CHECK:   func.call @region_0_module.region_0(%[[R]])
  dycl.program @main(%x: tensor<2x3xf32> {dycl.name = "x"}) -> tensor<2x3xf32>
      attributes {home = "llvm-cpu"} {
    %c = arith.constant dense<7.0> : tensor<2x3xf32>
    %0:2 = dycl.invoke @region_0(%x) : (tensor<2x3xf32>) -> (tensor<2x3xf32>, i1)
    %1 = scf.if %0#1 -> (tensor<2x3xf32>) {
      %2 = dycl.transfer %0#0 from "llvm-cpu" to "vulkan" : tensor<2x3xf32>
      %3 = dycl.transfer %c from "llvm-cpu" to "vulkan" : tensor<2x3xf32>
      %4 = dycl.invoke @region_1(%2, %3) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
      %5 = dycl.transfer %4 from "vulkan" to "llvm-cpu" : tensor<2x3xf32>
      scf.yield %5 : tensor<2x3xf32>
    } else {
      %p = ub.poison : tensor<2x3xf32>
      %2 = dycl.invoke @region_1(%p, %p) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
      %3 = dycl.transfer %2 from "vulkan" to "llvm-cpu" : tensor<2x3xf32>
      %4:2 = dycl.invoke @region_0(%p) : (tensor<2x3xf32>) -> (tensor<2x3xf32>, i1)
      scf.yield %3 : tensor<2x3xf32>
    }
    dycl.return %1 : tensor<2x3xf32>
  }
  dycl.region @region_0 : (tensor<2x3xf32>) -> (tensor<2x3xf32>, i1) {affinity = "llvm-cpu", module = @region_0_module}
  dycl.region @region_1 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32> {affinity = "vulkan", module = @region_1_module}
  module @region_0_module {
    func.func @region_0(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, i1) {
      %true = arith.constant true
      return %x, %true : tensor<2x3xf32>, i1
    }
  }
  module @region_1_module {
    func.func @region_1(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) -> tensor<2x3xf32> { return %x : tensor<2x3xf32> }
  }
}

// CHECK: "util.func"() <{function_type = (!hal.buffer_view) -> !hal.buffer_view, sym_name = "transfer_local_vulkan_2", sym_visibility = "private"}>
// CHECK-NEXT: ^bb0(%[[VIEW:.+]]: !hal.buffer_view):
// CHECK: %[[NULL:.+]] = "util.null"
// CHECK: %[[IS_NULL:.+]] = "util.cmp.eq"(%[[VIEW]], %[[NULL]])
// CHECK: cf.cond_br %[[IS_NULL]], ^[[NONE:.+]], ^[[SOME:.+]]
// CHECK: ^[[NONE]]:
// CHECK: "util.return"(%[[NULL]])
// CHECK: ^[[SOME]]:
// CHECK: %[[SOURCE:.+]] = "hal.buffer_view.buffer"(%[[VIEW]])
// CHECK: %[[LENGTH:.+]] = "hal.buffer.length"(%[[SOURCE]])
// CHECK: %[[CPU:.+]] = "util.call"() <{callee = @device_local.get}> : () -> !hal.device
// CHECK: %[[GPU:.+]] = "util.call"() <{callee = @device_vulkan.get}> : () -> !hal.device
// What both see is the GPU's.
// CHECK: "hal.device.allocator"(%[[GPU]])
// CHECK: %[[MAPPED:.+]] = "hal.allocator.allocate"
// CHECK: "hal.device.queue.copy"(%[[CPU]], %{{.+}}, %{{.+}}, %[[DONE:.+]], %[[SOURCE]], %{{.+}}, %[[MAPPED]], %{{.+}}, %[[LENGTH]])
// CHECK: "hal.fence.await"(%{{.+}}, %[[DONE]])
// CHECK: "hal.device.allocator"(%[[GPU]])
// CHECK: %[[TARGET:.+]] = "hal.allocator.allocate"
// CHECK: "hal.device.queue.copy"(%[[GPU]], %{{.+}}, %{{.+}}, %{{.+}}, %[[MAPPED]], %{{.+}}, %[[TARGET]], %{{.+}}, %[[LENGTH]])
// CHECK: "hal.fence.await"
// CHECK: %[[D0:.+]] = "hal.buffer_view.dim"(%[[VIEW]]) <{index = 0 : index}>
// CHECK: %[[D1:.+]] = "hal.buffer_view.dim"(%[[VIEW]]) <{index = 1 : index}>
// CHECK: %[[COPY:.+]] = "hal.buffer_view.create"(%[[TARGET]], %{{.+}}, %[[LENGTH]], %{{.+}}, %{{.+}}, %[[D0]], %[[D1]])
// CHECK: "util.return"(%[[COPY]])
// CHECK: sym_name = "device_local.get"
// CHECK: sym_name = "device_vulkan.get"
// CHECK: sym_name = "transfer_vulkan_local_2"

// -----

// A value that no path reads, and that a call earlier in the loop's body takes in the next trip, is on that call's device.
module @net {
  // CHECK: %[[Z:.+]] = "hal.tensor.export"
  // CHECK: %[[GPU_Z:.+]] = "util.call"(%[[Z]]) <{callee = @transfer_local_vulkan_1}>
  // CHECK: "util.global.store"(%[[GPU_Z]]) <{global = @[[$LATER:constant_[0-9]]]}>
  // CHECK-LABEL: func.func private @run(
  // CHECK: scf.for
  // CHECK:   func.call @region_0_module.region_0(
  // CHECK:   %[[P:.+]] = "util.global.load"() <{global = @[[$LATER]]}>
  // CHECK:   scf.yield %[[P]]
  dycl.program @main(%x: tensor<3xf32> {dycl.name = "x"}) -> tensor<3xf32> attributes {home = "llvm-cpu"} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %on_gpu = dycl.transfer %x from "llvm-cpu" to "vulkan" : tensor<3xf32>
    %0:2 = scf.for %i = %c0 to %c1 step %c1 iter_args(%a = %on_gpu, %b = %on_gpu) -> (tensor<3xf32>, tensor<3xf32>) {
      %1 = tensor.cast %a : tensor<3xf32> to tensor<?xf32>
      %2 = dycl.invoke @region_0(%1) : (tensor<?xf32>) -> tensor<3xf32>
      %p = ub.poison : tensor<3xf32>
      scf.yield %p, %2 : tensor<3xf32>, tensor<3xf32>
    }
    %3 = dycl.transfer %0#1 from "vulkan" to "llvm-cpu" : tensor<3xf32>
    dycl.return %3 : tensor<3xf32>
  }
  dycl.region @region_0 : (tensor<?xf32>) -> tensor<3xf32> {affinity = "vulkan", module = @region_0_module}
  module @region_0_module {
    func.func @region_0(%x: tensor<?xf32>) -> tensor<3xf32> {
      %0 = tensor.cast %x : tensor<?xf32> to tensor<3xf32>
      return %0 : tensor<3xf32>
    }
  }
}
