namespace HsmSim.Control;

/// <summary>A control file that cannot be used: which line, and why.</summary>
internal sealed class ControlException(string message) : Exception(message);
