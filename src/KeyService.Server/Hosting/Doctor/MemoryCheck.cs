using KeyService.Crypto;

namespace KeyService.Server.Hosting;

/// <summary>Whether memory for secrets can be locked, and what that means where the host swaps.</summary>
internal static class MemoryCheck
{
    /// <summary>The finding, as health and doctor say it.</summary>
    public const string NotLocked = "Memory for secrets is not locked: it may reach the swap.";

    /// <summary>What to do about it.</summary>
    public const string Fix = "Give the service 8 MiB or more of locked memory (ulimit -l, LimitMEMLOCK=, IPC_LOCK in a container), or switch swap off.";

    private const string Check = "memory";

    /// <param name="locked">Whether the arena of this process is locked; a server started the same way finds the same.</param>
    /// <param name="swaps">Whether this host has swap.</param>
    public static Finding Run(bool locked, bool swaps) => (locked, swaps) switch
    {
        (true, _) => Finding.Good(Check, "Memory for secrets is locked."),
        (false, true) => Finding.Warning(Check, NotLocked, Fix),
        (false, false) => Finding.Warning(Check, "Memory for secrets is not locked. This host has no swap now.", Fix),
    };

    /// <summary>As this process and this host stand.</summary>
    public static Finding Run() => Run(SecretArena.IsLocked, Swaps());

    // The first line of /proc/swaps is a heading.
    private static bool Swaps() => !File.Exists("/proc/swaps") || File.ReadLines("/proc/swaps").Skip(1).Any();
}
