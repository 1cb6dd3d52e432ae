// REQUIRES: iree-compile
// Loops, and a switch in one, which IREE refuses over tensors, run by its VM for zero, one and many iterations; loop-carried
// values trade places. The list of decisions is what host.py records: predicates 0 (while) and 3 (if) as truth values,
// 1 (for) and 2 (switch) as numbers.
// RUN: dycl-opt %s --dycl-host-pipeline -o %t.host.mlir
// RUN: FileCheck %s --input-file=%t.host.mlir --check-prefix=IR
// RUN: dycl-opt %s -o %t.mlir
// RUN: %python %S/../../pipelines/Inputs/select_module.py %t.mlir m > %t.m.mlir
// RUN: iree-compile %t.m.mlir --iree-hal-target-device=local --iree-hal-local-target-device-backends=llvm-cpu --iree-llvmcpu-target-cpu=generic -o %t.m.vmfb
// RUN: iree-compile %t.host.mlir --iree-hal-target-device=local --iree-hal-local-target-device-backends=llvm-cpu --iree-llvmcpu-target-cpu=generic -o %t.host.vmfb
// RUN: iree-run-module --device=local-sync --module=%t.m.vmfb --module=%t.host.vmfb --function=main_recorded --input=i64=0 --input=1xf32=1 --input=1xf32=1000 | FileCheck %s --check-prefix=ZERO
// RUN: iree-run-module --device=local-sync --module=%t.m.vmfb --module=%t.host.vmfb --function=main_recorded --input=i64=1 --input=1xf32=1 --input=1xf32=1000 | FileCheck %s --check-prefix=ONE
// RUN: iree-run-module --device=local-sync --module=%t.m.vmfb --module=%t.host.vmfb --function=main_recorded --input=i64=3 --input=1xf32=1 --input=1xf32=1000 | FileCheck %s --check-prefix=MANY

// IR-NOT: scf.
// IR: cf.switch

// ZERO:      1xf32=1{{$}}
// ZERO:      1xf32=1000{{$}}
// ZERO:      child_list[0]: i64=0
// ZERO-NEXT: child_list[1]: i64=0
// ZERO-NEXT: child_list[2]: i64=3
// ZERO-NEXT: child_list[3]: i64=0
// ZERO-NEXT: child_list[4]: i64=6
// ZERO-NEXT: child_list[5]: i64=1
// ZERO-NOT:  child_list

// One trip: a and b trade places; case 0 adds 10 to what now is a.
// ONE:       1xf32=1010{{$}}
// ONE:       1xf32=2{{$}}
// ONE:       child_list[0]: i64=0
// ONE-NEXT:  child_list[1]: i64=1
// ONE-NEXT:  child_list[2]: i64=0
// ONE-NEXT:  child_list[3]: i64=0
// ONE-NEXT:  child_list[4]: i64=3
// ONE-NEXT:  child_list[5]: i64=1
// ONE-NEXT:  child_list[6]: i64=5
// ONE-NEXT:  child_list[7]: i64=0
// ONE-NEXT:  child_list[8]: i64=6
// ONE-NEXT:  child_list[9]: i64=0
// ONE-NOT:   child_list

// Three: (1, 1000), (1000, 2), (2, 1001), (1001, 3); +10 in case 0, doubled by default in case 1, nothing in case 2.
// MANY:      1xf32=2022{{$}}
// MANY:      1xf32=3{{$}}
// MANY:      i64=3
// MANY-NEXT: child_list[9]: i64=3
// MANY-NEXT: child_list[10]: i64=5
// MANY-NEXT: child_list[11]: i64=0
// MANY-NEXT: child_list[12]: i64=5
// MANY-NEXT: child_list[13]: i64=1
// MANY-NEXT: child_list[14]: i64=5
// MANY-NEXT: child_list[15]: i64=2
// MANY-NEXT: child_list[16]: i64=6
// MANY-NEXT: child_list[17]: i64=0
// MANY-NOT:  child_list
dycl.program @main(%n: tensor<i64>, %x: tensor<1xf32>, %y: tensor<1xf32>) -> (tensor<1xf32>, tensor<1xf32>) {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %limit, %bound = dycl.invoke @count(%n) : (tensor<i64>) -> (i64, index)
  %0:3 = scf.while (%i = %zero, %a = %x, %b = %y)
      : (i64, tensor<1xf32>, tensor<1xf32>) -> (i64, tensor<1xf32>, tensor<1xf32>) {
    %p = arith.cmpi slt, %i, %limit : i64
    scf.condition(%p) %i, %a, %b : i64, tensor<1xf32>, tensor<1xf32>
  } do {
  ^bb0(%i: i64, %a: tensor<1xf32>, %b: tensor<1xf32>):
    %next = arith.addi %i, %one : i64
    %c = dycl.invoke @add_one(%a) : (tensor<1xf32>) -> tensor<1xf32>
    scf.yield %next, %b, %c : i64, tensor<1xf32>, tensor<1xf32>
  }
  %1 = scf.for %i = %c0 to %bound step %c1 iter_args(%a = %0#1) -> (tensor<1xf32>) {
    %2 = scf.index_switch %i -> tensor<1xf32>
    case 0 {
      %3 = dycl.invoke @add_ten(%a) : (tensor<1xf32>) -> tensor<1xf32>
      scf.yield %3 : tensor<1xf32>
    }
    case 2 {
      scf.yield %a : tensor<1xf32>
    }
    default {
      %3 = dycl.invoke @double(%a) : (tensor<1xf32>) -> tensor<1xf32>
      scf.yield %3 : tensor<1xf32>
    }
    scf.yield %2 : tensor<1xf32>
  }
  %none = arith.cmpi eq, %0#0, %zero : i64
  %4:2 = scf.if %none -> (tensor<1xf32>, tensor<1xf32>) {
    scf.yield %0#1, %0#2 : tensor<1xf32>, tensor<1xf32>
  } else {
    scf.yield %1, %0#2 : tensor<1xf32>, tensor<1xf32>
  }
  dycl.return %4#0, %4#1 : tensor<1xf32>, tensor<1xf32>
}
dycl.region @count : (tensor<i64>) -> (i64, index) {module = @m}
dycl.region @add_one : (tensor<1xf32>) -> tensor<1xf32> {module = @m}
dycl.region @add_ten : (tensor<1xf32>) -> tensor<1xf32> {module = @m}
dycl.region @double : (tensor<1xf32>) -> tensor<1xf32> {module = @m}
module @m {
  func.func @count(%n: tensor<i64>) -> (i64, index) {
    %0 = tensor.extract %n[] : tensor<i64>
    %1 = arith.index_cast %0 : i64 to index
    return %0, %1 : i64, index
  }
  func.func @add_one(%x: tensor<1xf32>) -> tensor<1xf32> {
    %c = arith.constant dense<1.0> : tensor<1xf32>
    %0 = arith.addf %x, %c : tensor<1xf32>
    return %0 : tensor<1xf32>
  }
  func.func @add_ten(%x: tensor<1xf32>) -> tensor<1xf32> {
    %c = arith.constant dense<10.0> : tensor<1xf32>
    %0 = arith.addf %x, %c : tensor<1xf32>
    return %0 : tensor<1xf32>
  }
  func.func @double(%x: tensor<1xf32>) -> tensor<1xf32> {
    %0 = arith.addf %x, %x : tensor<1xf32>
    return %0 : tensor<1xf32>
  }
}
