// Loops, a switch and arithmetic in Python, run for zero, one and many iterations. Loop-carried values that trade places
// are assigned at once; what is not read after its new value is computed shares a variable with it.
// RUN: dycl-translate --dycl-to-python %s -o %t.py
// RUN: FileCheck %s --input-file=%t.py
// RUN: %python %S/Inputs/run_host.py %t.py %S/Inputs/loops.py 0 7 0 | FileCheck %s --check-prefix=ZERO
// RUN: %python %S/Inputs/run_host.py %t.py %S/Inputs/loops.py 1 7 1 | FileCheck %s --check-prefix=ONE
// RUN: %python %S/Inputs/run_host.py %t.py %S/Inputs/loops.py 2 7 3 | FileCheck %s --check-prefix=MANY

// Names that Python reserves, or that are no names, become some.
// CHECK-LABEL: def main(regions, decide, args_0_ids, class_, arg2):
// CHECK:      n0, n1 = regions.region_0(args_0_ids)
// CHECK-NEXT: v0, v1, n2 = args_0_ids, class_, 0
// CHECK-NEXT: while True:
// CHECK-NEXT:     p0 = regions.region_1(v0)
// CHECK-NEXT:     if not decide(0, (n2 < n0) and p0):
// CHECK-NEXT:         break
// CHECK-NEXT:     v2 = regions.region_2(v0)
// CHECK-NEXT:     v0, v1, n2 = v1, v2, n2 + 1
// CHECK-NEXT: for i0 in decide(1, range(0, n1, 1)):
// CHECK-NEXT:     s0 = decide(2, i0)
// CHECK-NEXT:     if s0 == 0:
// CHECK-NEXT:         v3 = regions.region_3(v1)
// CHECK-NEXT:     elif s0 == 2:
// CHECK-NEXT:         v3 = v1
// CHECK-NEXT:     else:
// CHECK-NEXT:         v3 = regions.region_4(v1, i0)
// CHECK-NEXT:     v1 = v3
// CHECK-NEXT: if decide(3, n2 == 0):
// CHECK-NEXT:     return (v0, None)
// CHECK-NEXT: return (v1, v0)

// ZERO: region_0(0,)
// ZERO-NEXT: region_1(0,)
// ZERO-NEXT: decide 0: False
// ZERO-NEXT: decide 1: range(0, 0)
// ZERO-NEXT: decide 3: True
// ZERO-NEXT: returns (0, None)

// ONE: decide 0: True
// ONE-NEXT: region_2(1,)
// ONE-NEXT: region_1(7,)
// ONE-NEXT: decide 0: False
// ONE-NEXT: decide 1: range(0, 1)
// ONE-NEXT: decide 2: 0
// ONE-NEXT: region_3(11,)
// ONE-NEXT: decide 3: False
// ONE-NEXT: returns (111, 7)

// MANY: region_2(2,)
// MANY-NEXT: region_1(7,)
// MANY-NEXT: decide 0: True
// MANY-NEXT: region_2(7,)
// MANY-NEXT: region_1(12,)
// MANY-NEXT: decide 0: False
// MANY-NEXT: decide 1: range(0, 2)
// MANY: region_3(17,)
// MANY: decide 2: 1
// MANY: region_4(117, 1)
// MANY: returns (1118, 12)
module @net {
  dycl.program @main(%x: tensor<f32> {dycl.name = "args[0]['ids']"}, %y: tensor<f32> {dycl.name = "class"},
                     %unused: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %n0 = arith.constant 0 : i64
    %n1 = arith.constant 1 : i64
    %0:2 = dycl.invoke @region_0(%x) : (tensor<f32>) -> (i64, index)
    %1:3 = scf.while (%a = %x, %b = %y, %n = %n0) : (tensor<f32>, tensor<f32>, i64) -> (tensor<f32>, tensor<f32>, i64) {
      %p = dycl.invoke @region_1(%a) : (tensor<f32>) -> i1
      %less = arith.cmpi slt, %n, %0#0 : i64
      %both = arith.andi %less, %p : i1
      scf.condition(%both) %a, %b, %n : tensor<f32>, tensor<f32>, i64
    } do {
    ^bb0(%a: tensor<f32>, %b: tensor<f32>, %n: i64):
      %2 = dycl.invoke @region_2(%a) : (tensor<f32>) -> tensor<f32>
      %3 = arith.addi %n, %n1 : i64
      scf.yield %b, %2, %3 : tensor<f32>, tensor<f32>, i64
    }
    %4 = scf.for %i = %c0 to %0#1 step %c1 iter_args(%a = %1#1) -> (tensor<f32>) {
      %5 = scf.index_switch %i -> tensor<f32>
      case 0 {
        %6 = dycl.invoke @region_3(%a) : (tensor<f32>) -> tensor<f32>
        scf.yield %6 : tensor<f32>
      }
      case 2 {
        scf.yield %a : tensor<f32>
      }
      default {
        %6 = dycl.invoke @region_4(%a, %i) : (tensor<f32>, index) -> tensor<f32>
        scf.yield %6 : tensor<f32>
      }
      scf.yield %5 : tensor<f32>
    }
    %none = ub.poison : tensor<f32>
    %isZero = arith.cmpi eq, %1#2, %n0 : i64
    %7:2 = scf.if %isZero -> (tensor<f32>, tensor<f32>) {
      scf.yield %1#0, %none : tensor<f32>, tensor<f32>
    } else {
      scf.yield %4, %1#0 : tensor<f32>, tensor<f32>
    }
    dycl.return %7#0, %7#1 : tensor<f32>, tensor<f32>
  }
  dycl.region @region_0 : (tensor<f32>) -> (i64, index)
  dycl.region @region_1 : (tensor<f32>) -> i1
  dycl.region @region_2 : (tensor<f32>) -> tensor<f32>
  dycl.region @region_3 : (tensor<f32>) -> tensor<f32>
  dycl.region @region_4 : (tensor<f32>, index) -> tensor<f32>
}
