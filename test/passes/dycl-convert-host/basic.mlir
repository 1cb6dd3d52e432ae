// RUN: dycl-opt %s --dycl-convert-host=num-state=1 | FileCheck %s

// Only the control flow is left: regions are external functions of their modules, tensors are buffer views.
// CHECK-LABEL: module @host
module @net {
  // What the program starts from is a parameter of the scope "state", named as the argument.
  // A constant tensor is made once, on loading; a value that a call takes but does not read is zeros.
  // CHECK-DAG: "util.global"() <{sym_name = "[[C0:constant_[0-9]]]", sym_visibility = "private", type = !hal.buffer_view}>
  // CHECK-DAG: arith.constant dense<7> : tensor<2xi64>
  // CHECK-DAG: arith.constant dense<0.000000e+00> : tensor<3xf32>
  // CHECK-DAG: "hal.tensor.export"(%{{.+}}) <{operandSegmentSizes = array<i32: 1, 0>, source_encoding = tensor<2xi64>}> : (tensor<2xi64>) -> !hal.buffer_view
  // CHECK-DAG: func.func private @region_0_module.region_0(!hal.buffer_view, !hal.buffer_view) -> (!hal.buffer_view, i1)
  // CHECK-DAG: func.func private @region_1_module.region_1(!hal.buffer_view, i64) -> !hal.buffer_view
  // CHECK-NOT: dycl.

  // CHECK-LABEL: func.func private @run(
  // CHECK-SAME: %[[X:.+]]: !hal.buffer_view, %[[S:.+]]: !hal.buffer_view, %[[LIST:.+]]: !util.list<i64>) -> (!hal.buffer_view, !hal.buffer_view, !hal.buffer_view)
  // CHECK: %[[C:.+]] = "util.global.load"() <{global = @{{constant_[0-9]}}}> : () -> !hal.buffer_view
  // CHECK: %[[R:.+]]:2 = call @region_0_module.region_0(%[[X]], %[[S]])
  // CHECK: %[[D:.+]] = arith.extui %[[R]]#1 : i1 to i64
  // CHECK: %[[K:.+]] = arith.constant 0 : i64
  // CHECK: call @record(%[[LIST]], %[[K]], %[[D]])
  // CHECK: %[[IF:.+]]:2 = scf.if %[[R]]#1 -> (!hal.buffer_view, !hal.buffer_view)
  // A value that no path reads is null.
  // CHECK:   %[[N:.+]] = arith.constant 5 : i64
  // CHECK:   %[[V:.+]] = func.call @region_1_module.region_1(%[[R]]#0, %[[N]])
  // CHECK:   %[[NULL:.+]] = "util.null"() : () -> !hal.buffer_view
  // CHECK:   scf.yield %[[V]], %[[NULL]]
  // CHECK: } else {
  // CHECK:   %[[ZEROS:.+]] = "util.global.load"() <{global = @{{constant_[0-9]}}}> : () -> !hal.buffer_view
  // CHECK:   func.call @region_1_module.region_1(%[[ZEROS]],
  // CHECK: return %[[IF]]#0, %[[C]], %[[IF]]#1
  dycl.program @main(%x: tensor<4xf32> {dycl.name = "x"}, %s: tensor<?xf32> {dycl.name = "self.last\22"})
      -> (tensor<?xf32>, tensor<2xi64>, tensor<?xf32>) {
    %c = arith.constant dense<7> : tensor<2xi64>
    %0:2 = dycl.invoke @region_0(%x, %s) : (tensor<4xf32>, tensor<?xf32>) -> (tensor<3xf32>, i1)
    %1:2 = scf.if %0#1 -> (tensor<?xf32>, tensor<?xf32>) {
      %n = arith.constant 5 : i64
      %2 = dycl.invoke @region_1(%0#0, %n) : (tensor<3xf32>, i64) -> tensor<3xf32>
      %3 = tensor.cast %2 : tensor<3xf32> to tensor<?xf32>
      %p = ub.poison : tensor<?xf32>
      scf.yield %3, %p : tensor<?xf32>, tensor<?xf32>
    } else {
      %q = ub.poison : tensor<3xf32>
      %m = ub.poison : i64
      %2 = dycl.invoke @region_1(%q, %m) : (tensor<3xf32>, i64) -> tensor<3xf32>
      %3 = tensor.cast %2 : tensor<3xf32> to tensor<?xf32>
      scf.yield %3, %s : tensor<?xf32>, tensor<?xf32>
    }
    dycl.return %1#0, %c, %1#1 : tensor<?xf32>, tensor<2xi64>, tensor<?xf32>
  }
  dycl.region @region_0 : (tensor<4xf32>, tensor<?xf32>) -> (tensor<3xf32>, i1) {module = @region_0_module}
  dycl.region @region_1 : (tensor<3xf32>, i64) -> tensor<3xf32> {module = @region_1_module}
  module @region_0_module {
    func.func @region_0(%x: tensor<4xf32>, %s: tensor<?xf32>) -> (tensor<3xf32>, i1) {
      %0 = tensor.extract_slice %x[0] [3] [1] : tensor<4xf32> to tensor<3xf32>
      %true = arith.constant true
      return %0, %true : tensor<3xf32>, i1
    }
  }
  module @region_1_module {
    func.func @region_1(%x: tensor<3xf32>, %n: i64) -> tensor<3xf32> { return %x : tensor<3xf32> }
  }
}

// CHECK: "util.global"() <{initial_value = #flow.parameter.named<"state"::"self.last\22"> : tensor<?xf32>, sym_name = "state_0", sym_visibility = "private", type = tensor<?xf32>}>
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.+]]: !hal.buffer_view) -> (!hal.buffer_view, !hal.buffer_view, !hal.buffer_view)
// CHECK: %[[T:.+]] = "util.global.load"() <{global = @state_0}> : () -> tensor<?xf32>
// CHECK: %[[S:.+]] = "hal.tensor.export"(%[[T]])
// CHECK: %[[L:.+]] = "util.list.create"
// CHECK: call @run(%[[X]], %[[S]], %[[L]])
// CHECK-LABEL: func.func @main_recorded(
// CHECK-SAME: %[[X:.+]]: !hal.buffer_view, %[[S:.+]]: !hal.buffer_view) -> (!hal.buffer_view, !hal.buffer_view, !hal.buffer_view, !util.list<i64>)
// CHECK: %[[L:.+]] = "util.list.create"
// CHECK: %[[R:.+]]:3 = call @run(%[[X]], %[[S]], %[[L]])
// CHECK: return %[[R]]#0, %[[R]]#1, %[[R]]#2, %[[L]]
