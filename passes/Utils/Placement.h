//===- Placement.h - On which device each region runs -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_PLACEMENT_H
#define PASSES_UTILS_PLACEMENT_H

#include "passes/Utils/HostDataflow.h"
#include "llvm/ADT/BitVector.h"

namespace dycl {

/// What is assumed of a device; `--dycl-place-regions` states the figures.
struct DeviceModel {
  double gflops;   ///< arithmetic, in operations a nanosecond
  double gbps;     ///< memory, in bytes a nanosecond
  double callUs;   ///< to call a region
  double linkGbps; ///< to and from the host's memory, in bytes a nanosecond
  double linkUs;   ///< to begin such a copy

  /// The model of the device called `name`, by the backend that it starts with.
  static DeviceModel of(mlir::StringRef name);
};

/// An assignment of devices to the places of a program, and its expected cost a run, in picoseconds.
class Placement {
public:
  using Place = HostDataflow::Place;
  using Device = unsigned;

  /// All places on device 0, the home, and all but that of the program free to move.
  Placement(ProgramOp program, const HostDataflow &dataflow, mlir::ArrayRef<DeviceModel> devices);

  /// Lets a region's calls cost what its flops and bytes do on each device; until then it costs nothing.
  void setCost(Place region, CostAttr cost, double runs);

  /// Puts a place on a device for good.
  void fix(Place place, Device device);

  Device getDevice(Place place) const { return placeDevices[place]; }

  /// Moves the places that are free to the devices where the program is expected to cost least. It is least for two
  /// devices; for more no exchange between any two of them makes it less (α-β swaps; Boykov, Veksler, Zabih 2001).
  void minimize();

  int64_t getCost() const;

private:
  /// A tensor that one place makes and others need.
  struct Flow {
    Place producer;
    mlir::SmallVector<Place> consumers;
    double bytes, runs;
  };

  int64_t getTransferCost(const Flow &flow, Device from, Device to) const;
  bool exchange(Device low, Device high);
  bool isFree(Place place, Device low, Device high) const;

  mlir::SmallVector<DeviceModel> devices;
  mlir::SmallVector<Device> placeDevices;
  llvm::BitVector isFixed;
  mlir::SmallVector<mlir::SmallVector<int64_t>> placeCosts; ///< by place and device
  mlir::SmallVector<Flow> flows;
};

} // namespace dycl

#endif // PASSES_UTILS_PLACEMENT_H
