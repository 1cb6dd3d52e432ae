// Branches and loops: where copies stand, and on which device joined and carried values are.
// RUN: dycl-opt %s -split-input-file --dycl-insert-transfers --dycl-verify-placement | FileCheck %s

// Only the path that needs a copy makes one; the branch's result is at home, where it is used.
// CHECK-LABEL: dycl.program @one_branch(
// CHECK-SAME: %[[X:.+]]: tensor<4xf32>
// CHECK-NEXT: %[[P:.+]] = dycl.invoke @test(%[[X]])
// CHECK-NEXT: %[[R:.+]] = scf.if %[[P]]
// CHECK-NEXT:   %[[XV:.+]] = dycl.transfer %[[X]] from "cpu" to "vulkan"
// CHECK-NEXT:   %[[A:.+]] = dycl.invoke @far(%[[XV]])
// CHECK-NEXT:   %[[AC:.+]] = dycl.transfer %[[A]] from "vulkan" to "cpu"
// CHECK-NEXT:   scf.yield %[[AC]]
// CHECK-NEXT: } else {
// CHECK-NEXT:   scf.yield %[[X]]
// CHECK:      dycl.return %[[R]]
dycl.program @one_branch(%x: tensor<4xf32>) -> tensor<4xf32> attributes {home = "cpu"} {
  %p = dycl.invoke @test(%x) : (tensor<4xf32>) -> i1
  %0 = scf.if %p -> (tensor<4xf32>) {
    %1 = dycl.invoke @far(%x) : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  dycl.return %0 : tensor<4xf32>
}
func.func private @test(tensor<4xf32>) -> i1 attributes {dycl.affinity = "cpu"}
func.func private @far(tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "vulkan"}

// -----

// Both branches compute on the other device, and so does what follows: their result stays there. Each branch copies for
// itself, so that it is done once on each path.
// CHECK-LABEL: dycl.program @both_branches(
// CHECK-SAME: %[[X:.+]]: tensor<4xf32>
// CHECK: %[[R:.+]] = scf.if
// CHECK-NEXT:   %[[XT:.+]] = dycl.transfer %[[X]] from "cpu" to "vulkan"
// CHECK-NEXT:   %[[A:.+]] = dycl.invoke @far(%[[XT]])
// CHECK-NEXT:   scf.yield %[[A]]
// CHECK-NEXT: } else {
// CHECK-NEXT:   %[[XE:.+]] = dycl.transfer %[[X]] from "cpu" to "vulkan"
// CHECK-NEXT:   %[[B:.+]] = dycl.invoke @farther(%[[XE]])
// CHECK-NEXT:   scf.yield %[[B]]
// CHECK:      %[[C:.+]] = dycl.invoke @far(%[[R]])
// CHECK-NEXT: %[[D:.+]] = dycl.transfer %[[C]] from "vulkan" to "cpu"
// CHECK-NEXT: dycl.return %[[D]]
dycl.program @both_branches(%x: tensor<4xf32>) -> tensor<4xf32> attributes {home = "cpu"} {
  %p = dycl.invoke @test(%x) : (tensor<4xf32>) -> i1
  %0 = scf.if %p -> (tensor<4xf32>) {
    %1 = dycl.invoke @far(%x) : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  } else {
    %1 = dycl.invoke @farther(%x) : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  }
  %2 = dycl.invoke @far(%0) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return %2 : tensor<4xf32>
}
func.func private @test(tensor<4xf32>) -> i1 attributes {dycl.affinity = "cpu"}
func.func private @far(tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "vulkan"}
func.func private @farther(tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "vulkan"}

// -----

// What a later operation needs as well is copied before the branch; so is what two branches may need.
// CHECK-LABEL: dycl.program @branch_and_after(
// CHECK-SAME: %[[X:.+]]: tensor<4xf32>, %[[Y:.+]]: tensor<8xf32>
// CHECK-NEXT: %[[P:.+]] = dycl.invoke @test(%[[X]])
// CHECK-NEXT: %[[XV:.+]] = dycl.transfer %[[X]] from "cpu" to "vulkan"
// CHECK-NEXT: %[[YV:.+]] = dycl.transfer %[[Y]] from "cpu" to "vulkan"
// CHECK-NEXT: scf.if %[[P]]
// CHECK-NEXT:   dycl.invoke @use(%[[XV]], %[[YV]])
// CHECK:      scf.if %[[P]]
// CHECK-NEXT: } else {
// CHECK-NEXT:   dycl.invoke @use(%[[XV]], %[[YV]])
// CHECK:      dycl.invoke @far(%[[XV]])
dycl.program @branch_and_after(%x: tensor<4xf32>, %y: tensor<8xf32>) attributes {home = "cpu"} {
  %p = dycl.invoke @test(%x) : (tensor<4xf32>) -> i1
  scf.if %p {
    dycl.invoke @use(%x, %y) : (tensor<4xf32>, tensor<8xf32>) -> ()
  }
  scf.if %p {
  } else {
    dycl.invoke @use(%x, %y) : (tensor<4xf32>, tensor<8xf32>) -> ()
  }
  dycl.invoke @far(%x) : (tensor<4xf32>) -> ()
  dycl.return
}
func.func private @test(tensor<4xf32>) -> i1 attributes {dycl.affinity = "cpu"}
func.func private @use(tensor<4xf32>, tensor<8xf32>) attributes {dycl.affinity = "vulkan"}
func.func private @far(tensor<4xf32>) attributes {dycl.affinity = "vulkan"}

// -----

// A loop carries its value on the device that computes it, and gets what does not change once; a switch in it likewise.
// CHECK-LABEL: dycl.program @loops(
// CHECK-SAME: %[[X:.+]]: tensor<4xf32>, %[[W:.+]]: tensor<8xf32>
// CHECK: %[[XV:.+]] = dycl.transfer %[[X]] from "cpu" to "vulkan"
// CHECK-NEXT: %[[WV:.+]] = dycl.transfer %[[W]] from "cpu" to "vulkan"
// CHECK-NEXT: %[[R:.+]]:2 = scf.while (%[[P:.+]] = %{{.+}}, %[[A:.+]] = %[[XV]])
// CHECK-NEXT:   scf.condition(%[[P]]) %[[P]], %[[A]]
// CHECK:        %[[B:.+]]:2 = dycl.invoke @body(%{{.+}}, %[[WV]])
// CHECK-NEXT:   scf.yield %[[B]]#0, %[[B]]#1
// CHECK:      %[[RC:.+]] = dycl.transfer %[[R]]#1 from "vulkan" to "cpu"
// CHECK-NEXT: %[[F:.+]] = scf.for %{{.+}} iter_args(%[[C:.+]] = %[[RC]])
// CHECK-NEXT:   %[[S:.+]] = scf.index_switch
// CHECK-NEXT:   case 2 {
// CHECK-NEXT:     %[[CV:.+]] = dycl.transfer %[[C]] from "cpu" to "vulkan"
// CHECK-NEXT:     %[[D:.+]]:2 = dycl.invoke @body(%[[CV]], %[[WV]])
// CHECK-NEXT:     %[[DC:.+]] = dycl.transfer %[[D]]#1 from "vulkan" to "cpu"
// CHECK-NEXT:     scf.yield %[[DC]]
// CHECK:        default {
// CHECK-NEXT:     %[[E:.+]] = dycl.invoke @near(%[[C]])
// CHECK-NEXT:     scf.yield %[[E]]
// CHECK:        scf.yield %[[S]]
// CHECK:      dycl.return %[[F]]
dycl.program @loops(%x: tensor<4xf32>, %w: tensor<8xf32>) -> tensor<4xf32> attributes {home = "cpu"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %true = arith.constant true
  %n = dycl.invoke @count(%x) : (tensor<4xf32>) -> index
  %0:2 = scf.while (%p = %true, %a = %x) : (i1, tensor<4xf32>) -> (i1, tensor<4xf32>) {
    scf.condition(%p) %p, %a : i1, tensor<4xf32>
  } do {
  ^bb0(%p: i1, %a: tensor<4xf32>):
    %1:2 = dycl.invoke @body(%a, %w) : (tensor<4xf32>, tensor<8xf32>) -> (i1, tensor<4xf32>)
    scf.yield %1#0, %1#1 : i1, tensor<4xf32>
  }
  %2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %0#1) -> (tensor<4xf32>) {
    %3 = scf.index_switch %i -> tensor<4xf32>
    case 2 {
      %4:2 = dycl.invoke @body(%a, %w) : (tensor<4xf32>, tensor<8xf32>) -> (i1, tensor<4xf32>)
      scf.yield %4#1 : tensor<4xf32>
    }
    default {
      %4 = dycl.invoke @near(%a) : (tensor<4xf32>) -> tensor<4xf32>
      scf.yield %4 : tensor<4xf32>
    }
    scf.yield %3 : tensor<4xf32>
  }
  dycl.return %2 : tensor<4xf32>
}
func.func private @count(tensor<4xf32>) -> index attributes {dycl.affinity = "cpu"}
func.func private @body(tensor<4xf32>, tensor<8xf32>) -> (i1, tensor<4xf32>) attributes {dycl.affinity = "vulkan"}
func.func private @near(tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "cpu"}
