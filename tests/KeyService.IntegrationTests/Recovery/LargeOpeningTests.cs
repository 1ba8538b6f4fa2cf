using System.Security.Cryptography;
using KeyService.IntegrationTests.RealInput;

namespace KeyService.IntegrationTests.Recovery;

/// <summary>The records of 126 patients, opened without the service that encrypted them.</summary>
public sealed class LargeOpeningTests
{
    [Fact]
    [Trait("Duration", "long")]
    public async Task The_Synthea_records_open()
    {
        using var synthea = await SyntheaBundles.UnpackAsync();
        await using var left = new AfterTheService
        {
            Also = async (service, directory) => (await service.RunCliAsync(
                service.Backup, ["encrypt", "--key", "ehr-backup", "-o", Path.Combine(directory, "synthea.ksa"), "--", "cat", .. synthea.Files])).ExpectExit(0),
        };
        await left.InitializeAsync();

        string[] arguments = ["open", "--bundle", "bundle.ksb", "--archive", "synthea.ksa", "-o", "synthea", "--shares", .. Enumerable.Range(2, AfterTheService.Needed).Select(AfterTheService.ShareName)];
        (await RecoveryFile.RunAsync(left.Directory, arguments)).ExpectExit(0);

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in synthea.Files)
        {
            hash.AppendData(await File.ReadAllBytesAsync(file));
        }

        await using var opened = File.OpenRead(left.PathOf("synthea"));
        Assert.Equal(hash.GetHashAndReset(), await SHA256.HashDataAsync(opened));
    }
}
