using System.Net.Sockets;
using KeyService.Crypto.Backups;
using KeyService.Hsm;
using KeyService.Server.Storage;
using Microsoft.AspNetCore.Connections;

namespace KeyService.Server.Hosting;

/// <summary>What can go wrong at a start, as one sentence each with an exit code.</summary>
internal static class StartUpFailure
{
    /// <summary>The failure that <paramref name="exception"/> is; null when nobody foresaw it.</summary>
    public static StartUpException? Of(Exception exception) => exception switch
    {
        StartUpException failure => failure,
        ConfigurationException configuration => new StartUpException(ExitCode.Configuration, configuration.Message, configuration),
        TlsMaterialException tls => new StartUpException(ExitCode.Configuration, tls.Message, tls),
        HsmException hsm => Of(hsm),
        BundleException bundle => new StartUpException(
            bundle.Fault is BundleFault.Empty or BundleFault.NotABundle or BundleFault.UnsupportedVersion or BundleFault.NotOfTheChain
                ? ExitCode.Configuration : ExitCode.Tampered,
            bundle.Message, bundle),
        StoreOpenException store => new StartUpException(store.InUse ? ExitCode.InUse : ExitCode.Unavailable, $"{store.Message} {store.Fix}".TrimEnd(), store),
        StoreUnavailableException store => new StartUpException(ExitCode.Unavailable, store.Message, store),
        StoreTamperedException store => new StartUpException(ExitCode.Tampered, store.Message, store),
        IOException { InnerException: AddressInUseException } address => InUse(address), // its message names the address
        IOException { InnerException: SocketException socket } io =>
            new StartUpException(ExitCode.Configuration, $"{io.Message} {socket.Message}", io),
        SocketException socket => new StartUpException(ExitCode.Configuration, $"The server cannot listen: {socket.Message}", socket),
        _ => null,
    };

    private static StartUpException Of(HsmException exception) => new(exception.Fault switch
    {
        HsmFault.PinIncorrect or HsmFault.PinLocked or HsmFault.PinUnavailable => ExitCode.PinRefused,
        HsmFault.Misconfigured => ExitCode.Configuration,
        HsmFault.IntegrityFailure => ExitCode.Tampered,
        HsmFault.HierarchyMissing => ExitCode.NotInitialised,
        _ => ExitCode.Unavailable,
    }, exception.Message, exception);

    private static StartUpException InUse(IOException exception) => new(ExitCode.InUse,
        $"{exception.Message.TrimEnd('.')}. Stop what listens there, or give listen.tcp another port.", exception);
}
