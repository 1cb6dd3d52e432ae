// Early exits in Python: flat, whatever the number; run on every path with regions that add and compare.
// RUN: dycl-translate --dycl-to-python %s -o %t.py
// RUN: FileCheck %s --input-file=%t.py
// RUN: %python %S/Inputs/run_host.py %t.py %S/Inputs/exits.py 100 | FileCheck %s --check-prefix=FIRST
// RUN: %python %S/Inputs/run_host.py %t.py %S/Inputs/exits.py 15 | FileCheck %s --check-prefix=SECOND
// RUN: %python %S/Inputs/run_host.py %t.py %S/Inputs/exits.py 1 | FileCheck %s --check-prefix=LAST

// CHECK: # The host program of net,
// CHECK: import numpy as np
// CHECK: C0 = np.full((), 1, dtype=np.int64)
// CHECK-LABEL: def main(regions, decide, x):
// CHECK-NEXT:     """main(x: tensor<f32>) -> (tensor<f32>, tensor<i64>)"""
// CHECK-NEXT:     c0 = regions.constant(C0)
// CHECK-NEXT:     c1 = regions.constant(C1)
// CHECK-NEXT:     c2 = regions.constant(C2)
// CHECK-NEXT:     v0, p0 = regions.region_0(x)  # net.py:12
// CHECK-NEXT:     if decide(0, p0):  # net.py:13
// CHECK-NEXT:         return (v0, c0)
// CHECK-NEXT:     v1, p1 = regions.region_1(v0)  # net.py:15
// CHECK-NEXT:     if decide(1, p1):  # net.py:16
// CHECK-NEXT:         return (v1, c1)
// CHECK-NEXT:     v2 = regions.region_2(v1, v0)  # net.py:18
// CHECK-NEXT:     return (v2, c2)
// CHECK: if __name__ == "__main__":
// CHECK-NEXT:     import host_runtime
// CHECK: host_runtime.run_as_script(main, __file__)

// FIRST: region_0(100,)
// FIRST-NEXT: decide 0: True
// FIRST-NEXT: returns (101, 1)
// SECOND: region_0(15,)
// SECOND-NEXT: decide 0: False
// SECOND-NEXT: region_1(16,)
// SECOND-NEXT: decide 1: True
// SECOND-NEXT: returns (26, 2)
// LAST: region_0(1,)
// LAST-NEXT: decide 0: False
// LAST-NEXT: region_1(2,)
// LAST-NEXT: decide 1: False
// LAST-NEXT: region_2(12, 2)
// LAST-NEXT: returns (10, 3)
module @net {
  dycl.program @main(%x: tensor<f32> {dycl.name = "x"}) -> (tensor<f32>, tensor<i64>) {
    %one = arith.constant dense<1> : tensor<i64>
    %two = arith.constant dense<2> : tensor<i64>
    %three = arith.constant dense<3> : tensor<i64>
    %0:2 = dycl.invoke @region_0(%x) : (tensor<f32>) -> (tensor<f32>, i1) loc("/home/user/net.py":12:9)
    %1:2 = scf.if %0#1 -> (tensor<f32>, tensor<i64>) {
      scf.yield %0#0, %one : tensor<f32>, tensor<i64>
    } else {
      %2:2 = dycl.invoke @region_1(%0#0) : (tensor<f32>) -> (tensor<f32>, i1) loc("/home/user/net.py":15:9)
      %3:2 = scf.if %2#1 -> (tensor<f32>, tensor<i64>) {
        scf.yield %2#0, %two : tensor<f32>, tensor<i64>
      } else {
        %4 = dycl.invoke @region_2(%2#0, %0#0) : (tensor<f32>, tensor<f32>) -> tensor<f32> loc("/home/user/net.py":18:9)
        scf.yield %4, %three : tensor<f32>, tensor<i64>
      } loc("/home/user/net.py":16:9)
      scf.yield %3#0, %3#1 : tensor<f32>, tensor<i64>
    } loc("/home/user/net.py":13:9)
    dycl.return %1#0, %1#1 : tensor<f32>, tensor<i64>
  }
  dycl.region @region_0 : (tensor<f32>) -> (tensor<f32>, i1)
  dycl.region @region_1 : (tensor<f32>) -> (tensor<f32>, i1)
  dycl.region @region_2 : (tensor<f32>, tensor<f32>) -> tensor<f32>
}
