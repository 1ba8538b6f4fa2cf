using System.Diagnostics;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Crypto.IO;

// A nightly backup: the output of a command goes into an archive, which is read back before it counts.
//
//   dotnet run --project samples/BackupJob -- PROFILE KEY ARCHIVE COMMAND [ARGUMENT]...
//   dotnet run --project samples/BackupJob -- .dev/profiles/backup.json ehr-backup ehr.ksa pg_dump -Fc ehr
//
// Exit code 0: the archive is on the disk, sealed and verified. Anything else: there is no archive of that name.
if (args.Length < 4)
{
    Console.Error.WriteLine("BackupJob PROFILE KEY ARCHIVE COMMAND [ARGUMENT]...");
    return 2;
}

var (profile, key, path, command) = (args[0], args[1], Path.GetFullPath(args[2]), args[3..]);
var context = EncryptionContext.Create("job", "nightly");
var unfinished = path + ".unfinished";
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, key) =>
{
    key.Cancel = true;
    stop.Cancel();
};
try
{
    using var client = KeyServiceClient.Connect(ClientProfile.Load(profile).ToOptions());
    var bytes = await BackUpAsync(client);
    await VerifyAsync(client, bytes);
    File.Move(unfinished, path, overwrite: false);
    DurableFile.FlushDirectory(Path.GetDirectoryName(path)!);
    Console.WriteLine($"{path}: {bytes} bytes of {command[0]}, verified");
    return 0;
}
catch (Exception e) when (e is KeyServiceException or KeyService.Crypto.Archives.ArchiveException or IOException or InvalidOperationException
    or OperationCanceledException or System.ComponentModel.Win32Exception)
{
    File.Delete(unfinished);
    Console.Error.WriteLine($"BackupJob: {e.Message}{(e is KeyServiceException { Advice: var advice } ? " " + advice : "")}");
    return 1;
}

async Task<long> BackUpAsync(KeyServiceClient client)
{
    await using var file = new FileStream(unfinished, new FileStreamOptions
    {
        Mode = FileMode.Create,
        Access = FileAccess.Write,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });

    // The key first: no dump is begun for an archive that cannot be made.
    await using var archive = await client.Archives.CreateAsync(key, context, file, Path.GetFileName(command[0]), leaveOpen: true, cancellation: stop.Token);
    using var producer = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true })!;
    try
    {
        await producer.StandardOutput.BaseStream.CopyToAsync(archive, 1 << 20, stop.Token);
        await producer.WaitForExitAsync(stop.Token);
    }
    finally
    {
        if (!producer.HasExited)
        {
            producer.Kill(entireProcessTree: true);
        }
    }

    // The end of a pipe does not say whether the producer finished or died: its exit code does. Without CompleteAsync the archive
    // has no end, and nothing and nobody can take it for a backup.
    if (producer.ExitCode != 0)
    {
        throw new InvalidOperationException($"{command[0]} exited with code {producer.ExitCode}: nothing was sealed.");
    }
    var summary = await archive.CompleteAsync(stop.Token);
    DurableFile.Flush(file.SafeFileHandle);
    return summary.PlaintextBytes;
}

// Through the same door as a restore: the key is unwrapped by the service, and every byte is verified to the archive's end.
async Task VerifyAsync(KeyServiceClient client, long written)
{
    await using var archive = await client.Archives.OpenAsync(File.OpenRead(unfinished), context, cancellation: stop.Token);
    await archive.CopyToAsync(Stream.Null, stop.Token);
    if (!archive.IsWhole || archive.PlaintextBytes != written)
    {
        throw new InvalidOperationException("The archive does not hold what was written.");
    }
}
