using System.Runtime.Versioning;

// File modes, Unix sockets, SoftHSM, signals: these tests are for Linux.
[assembly: SupportedOSPlatform("linux")]
