// The program description: signature, regions, and the graph, whose predicates are numbered as in host.py.
// RUN: dycl-translate --dycl-to-json %s -o %t.json
// RUN: %python %S/Inputs/summarize.py %t.json | FileCheck %s

// CHECK: name net
// CHECK-NEXT: input x : tensor<?x4xf32>
// CHECK-NEXT: input arg1 : tensor<i64>
// CHECK-NEXT: output tensor<?x4xf32>
// CHECK-NEXT: region region_0 of region_0_module: tensor<?x4xf32> -> i1, i64 at net.py:3:5; 12 flops, 34 bytes; parameters a.b
// CHECK-NEXT: region region_1 of : tensor<?x4xf32> -> tensor<?x4xf32> at nowhere; cost unknown; parameters
// CHECK-NEXT: node 0 entry net.py:1
// CHECK-NEXT: node 1 exit net.py:1
// CHECK-NEXT: node 2 region region_0 net.py:3
// CHECK-NEXT: node 3 predicate 0 net.py:4
// CHECK-NEXT: node 4 region region_1 net.py:5
// CHECK-NEXT: node 5 region region_0 net.py:7
// CHECK-NEXT: node 6 predicate 1 net.py:6
// CHECK-NEXT: node 7 predicate 2 net.py:8
// CHECK-NEXT: node 8 region region_1 net.py:9
// CHECK-NEXT: node 9 region region_1 net.py:10
// CHECK-NEXT: edge 0 -next-> 2
// CHECK-NEXT: edge 2 -next-> 3
// CHECK-NEXT: edge 3 -true-> 4
// CHECK-NEXT: edge 3 -false-> 5
// CHECK-NEXT: edge 5 -next-> 6
// CHECK-NEXT: edge 6 -iterate-> 7
// CHECK-NEXT: edge 7 -case 4-> 8
// CHECK-NEXT: edge 7 -default-> 9
// The loop comes back to the first node of its condition.
// CHECK-NEXT: edge 8 -next-> 5
// CHECK-NEXT: edge 9 -next-> 5
// CHECK-NEXT: edge 4 -next-> 1
// CHECK-NEXT: edge 6 -exit-> 1
module @net {
  dycl.program @main(%x: tensor<?x4xf32> {dycl.name = "x"}, %y: tensor<i64>) -> tensor<?x4xf32> {
    %0:2 = dycl.invoke @region_0(%x) : (tensor<?x4xf32>) -> (i1, i64) loc("net.py":3:5)
    %1 = scf.if %0#0 -> (tensor<?x4xf32>) {
      %2 = dycl.invoke @region_1(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32> loc("net.py":5:7)
      scf.yield %2 : tensor<?x4xf32>
    } else {
      %2 = scf.while (%a = %x) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
        %3:2 = dycl.invoke @region_0(%a) : (tensor<?x4xf32>) -> (i1, i64) loc("net.py":7:5)
        scf.condition(%3#0) %a : tensor<?x4xf32>
      } do {
      ^bb0(%a: tensor<?x4xf32>):
        %4 = arith.index_cast %0#1 : i64 to index
        %3 = scf.index_switch %4 -> tensor<?x4xf32>
        case 4 {
          %5 = dycl.invoke @region_1(%a) : (tensor<?x4xf32>) -> tensor<?x4xf32> loc("net.py":9:5)
          scf.yield %5 : tensor<?x4xf32>
        }
        default {
          %5 = dycl.invoke @region_1(%a) : (tensor<?x4xf32>) -> tensor<?x4xf32> loc("net.py":10:5)
          scf.yield %5 : tensor<?x4xf32>
        } loc("net.py":8:5)
        scf.yield %3 : tensor<?x4xf32>
      } loc("net.py":6:5)
      scf.yield %2 : tensor<?x4xf32>
    } loc("net.py":4:5)
    dycl.return %1 : tensor<?x4xf32>
  } loc("net.py":1:1)
  dycl.region @region_0 : (tensor<?x4xf32>) -> (i1, i64)
      {cost = #dycl.cost<flops = 12, bytes = 34>, module = @region_0_module, parameters = ["a.b"]} loc("net.py":3:5)
  module @region_0_module {
    func.func private @region_0(tensor<?x4xf32>) -> (i1, i64)
  }
  dycl.region @region_1 : (tensor<?x4xf32>) -> tensor<?x4xf32> loc(unknown)
}
