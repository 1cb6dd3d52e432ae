// The example of the pass's description; loops, what is passed twice and exchanged; numbers as i64.
// RUN: dycl-opt %s --allow-unregistered-dialect --pass-pipeline='builtin.module(func.func(dycl-carry-in-list))' | FileCheck %s

// CHECK-LABEL: func.func private @run(
// CHECK-SAME: %[[X:.+]]: !hal.buffer_view, %[[P:.+]]: i1
// CHECK: %[[C0:.+]] = arith.constant 0 : index
// CHECK: %[[C1:.+]] = arith.constant 1 : index
// CHECK: %[[L:.+]] = "util.list.create"(%[[C1]]) : (index) -> !util.list<?>
// CHECK: "util.list.resize"(%[[L]], %[[C1]])
// CHECK: %[[NULL:.+]] = "util.null"()
// CHECK: cf.cond_br %[[P]], ^[[THEN:.+]], ^[[ELSE:.+]]{{$}}
// CHECK: ^[[THEN]]:
// CHECK: %[[A:.+]] = call @region_0_module.region_0(%[[X]])
// CHECK: "util.list.set"(%[[L]], %[[C0]], %[[A]])
// CHECK: cf.br ^[[END:bb[0-9]]]{{$}}
// CHECK: ^[[ELSE]]:
// CHECK: "util.list.set"(%[[L]], %[[C0]], %[[X]])
// CHECK: cf.br ^[[END]]{{$}}
// CHECK: ^[[END]]:
// CHECK: %[[R:.+]] = "util.list.get"(%[[L]], %[[C0]])
// CHECK: "util.list.set"(%[[L]], %[[C0]], %[[NULL]])
// CHECK: return %[[R]]
func.func private @run(%x: !hal.buffer_view, %p: i1) -> !hal.buffer_view {
  cf.cond_br %p, ^bb1, ^bb2(%x : !hal.buffer_view)
^bb1:
  %0 = call @region_0_module.region_0(%x) : (!hal.buffer_view) -> !hal.buffer_view
  cf.br ^bb2(%0 : !hal.buffer_view)
^bb2(%1: !hal.buffer_view):
  return %1 : !hal.buffer_view
}
func.func private @region_0_module.region_0(!hal.buffer_view) -> !hal.buffer_view

// CHECK-LABEL: func.func private @loop(
// CHECK-SAME: %[[X:.+]]: !hal.buffer_view, %[[N:.+]]: i64
// CHECK: %[[C0:.+]] = arith.constant 0 : index
// CHECK: %[[C1:.+]] = arith.constant 1 : index
// CHECK: %[[C2:.+]] = arith.constant 2 : index
// CHECK: %[[L:.+]] = "util.list.create"
// CHECK: "util.list.set"(%[[L]], %[[C0]], %[[X]])
// CHECK: "util.list.set"(%[[L]], %[[C1]], %[[N]])
// CHECK: "util.list.set"(%[[L]], %[[C2]], %[[X]])
// CHECK: cf.br ^[[HEAD:bb[0-9]]]{{$}}
// CHECK: ^[[EDGE:bb[0-9]]]:
// CHECK: "util.list.set"(%[[L]], %[[C0]], %[[B:[0-9]+]])
// CHECK: "util.list.set"(%[[L]], %[[C1]], %[[I:[0-9]+]])
// CHECK: "util.list.set"(%[[L]], %[[C2]], %[[A:[0-9]+]])
// CHECK: cf.br ^[[HEAD]]{{$}}
// CHECK: ^[[HEAD]]:
// CHECK: %[[A]] = "util.list.get"(%[[L]], %[[C0]])
// CHECK: %[[I]] = "util.list.get"(%[[L]], %[[C1]]) : (!util.list<?>, index) -> i64
// CHECK: %[[B]] = "util.list.get"(%[[L]], %[[C2]])
// CHECK: cf.cond_br %{{.+}}, ^[[EDGE]], ^[[EXIT:bb[0-9]]]
// CHECK: ^[[EXIT]]:
// CHECK: return %[[A]], %[[B]]
func.func private @loop(%x: !hal.buffer_view, %n: i64) -> (!hal.buffer_view, !hal.buffer_view) {
  %zero = arith.constant 0 : i64
  cf.br ^bb1(%x, %n, %x : !hal.buffer_view, i64, !hal.buffer_view)
^bb1(%a: !hal.buffer_view, %i: i64, %b: !hal.buffer_view):
  %more = arith.cmpi sgt, %i, %zero : i64
  cf.cond_br %more, ^bb1(%b, %i, %a : !hal.buffer_view, i64, !hal.buffer_view), ^bb2
^bb2:
  return %a, %b : !hal.buffer_view, !hal.buffer_view
}

// Both ways of a branch to one block.
// CHECK-LABEL: func.func private @both(
// CHECK-SAME: %[[X:.+]]: !hal.buffer_view, %[[Y:.+]]: !hal.buffer_view
// CHECK: cf.cond_br %{{.+}}, ^[[ONE:.+]], ^[[OTHER:bb[0-9]]]
// CHECK-DAG: "util.list.set"(%{{.+}}, %{{.+}}, %[[X]])
// CHECK-DAG: "util.list.set"(%{{.+}}, %{{.+}}, %[[Y]])
// CHECK: "util.list.get"
func.func private @both(%x: !hal.buffer_view, %y: !hal.buffer_view, %p: i1) -> !hal.buffer_view {
  cf.cond_br %p, ^bb1(%x : !hal.buffer_view), ^bb1(%y : !hal.buffer_view)
^bb1(%a: !hal.buffer_view):
  return %a : !hal.buffer_view
}

// A flag and an index.
// CHECK-LABEL: func.func private @widened(
// CHECK-SAME: %[[P:.+]]: i1, %[[K:.+]]: index
// CHECK: %[[WP:.+]] = arith.extui %[[P]] : i1 to i64
// CHECK: "util.list.set"({{.*}}, %[[WP]])
// CHECK: %[[WK:.+]] = arith.index_cast %[[K]] : index to i64
// CHECK: "util.list.set"({{.*}}, %[[WK]])
// CHECK: %[[TP:.+]] = "util.list.get"({{.*}}) -> i64
// CHECK: %[[Q:.+]] = arith.trunci %[[TP]] : i64 to i1
// CHECK: %[[TK:.+]] = "util.list.get"({{.*}}) -> i64
// CHECK: %[[J:.+]] = arith.index_cast %[[TK]] : i64 to index
// CHECK: return %[[Q]], %[[J]]
func.func private @widened(%p: i1, %k: index) -> (i1, index) {
  cf.br ^bb1(%p, %k : i1, index)
^bb1(%q: i1, %j: index):
  return %q, %j : i1, index
}

// CHECK-LABEL: func.func private @straight
// CHECK-NOT: util.list
func.func private @straight(%x: !hal.buffer_view) -> !hal.buffer_view {
  return %x : !hal.buffer_view
}
